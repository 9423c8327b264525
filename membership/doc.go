// Package membership tells who seems reachable, and where.
package membership
