package testnet

// Identity tells a process from others with its number.
func Identity(pid int) string {
	started, _, _ := inspect(pid)
	return started
}
