// Package acceptance drives the binary as a person would: it builds byzd, starts networks of real
// processes with the commands of the README, makes nodes lie, kills, pauses and cuts them, uses
// them through etcd's own client and through byzd's, and asks the verdict. It holds tests only.
//
// What takes how long is printed with -v. Nothing is asserted about time but generous limits.
package acceptance
