// Package traitor is the catalogue of lies: behaviours that wrap an honest replica.
package traitor
