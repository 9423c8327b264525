// Command byzd is a node, a network of nodes on one machine, and the tools to use, judge and break
// them. Each command stands in a file of its name; they only translate between a command line and
// the rooms that do the work. Exit codes, flags and output formats are a contract: other programs
// drive byzd.
package main
