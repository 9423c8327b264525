package transporttest

import (
	"testing"

	"go.uber.org/goleak"

	"byzd/transport"
)

// Run runs the contract's tests, each in a world of its own. After each no goroutine may be left.
func Run(t *testing.T, factory func(t *testing.T) World) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w World)
	}{
		{"OrderPerClass", testOrder},
		{"Broadcast", testBroadcast},
		{"Stranger", testStranger},
		{"OtherCluster", testOtherCluster},
		{"OtherEpoch", testOtherEpoch},
		{"OtherVersion", testOtherVersion},
		{"OversizedFrame", testOversized},
		{"UnsendableFrames", testUnsendable},
		{"QueueFull", testQueueFull},
		{"StalledReader", testStalledReader},
		{"WriteTimeout", testWriteTimeout},
		{"FrozenPeer", testFrozenPeer},
		{"KilledPeer", testKilledPeer},
		{"OtherPort", testOtherPort},
		{"OneSideKnowsAddress", testOneSideKnows},
		{"BothDial", testBothDial},
		{"DialStorm", testDialStorm},
		{"Lamport", testLamport},
		{"LamportJump", testLamportJump},
		{"LamportVouched", testLamportVouched},
		{"ConditionsDrop", testConditionsDrop},
		{"ConditionsDelay", testConditionsDelay},
		{"ConditionsDuplicate", testConditionsDuplicate},
		{"Partition", testPartition},
		{"Counters", testCounters},
		{"CloseWithFullQueues", testCloseWithFullQueues},
		{"SetPeers", testSetPeers},
		{"Configuration", testConfiguration},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) }) // the last of the clean-ups
			test.run(t, factory(t))
		})
	}
}

func allClasses() []transport.Class {
	return []transport.Class{
		transport.Votes, transport.Proposals, transport.Requests, transport.Sync,
	}
}
