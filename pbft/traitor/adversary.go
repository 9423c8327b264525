package traitor

import (
	"byzd/pbft/message"
)

// Adversary is a traitor round an honest replica: it sees what comes in and what goes out, and may
// change, withhold, delay, double or invent. It holds a signer of its own; the honest node's
// signing guard is never loosened, and the engine is never forked. One goroutine, the loop's
// owner, calls it. Times are in milliseconds.
type Adversary interface {
	// In returns what of a message from a peer reaches the replica.
	In(now int64, v message.Verified) []message.Verified
	// Out returns what is sent instead of a message. to is a replica or pbft.All.
	Out(now int64, to int, v message.Verified) []Outgoing
	// Tick returns what is sent of its own accord.
	Tick(now int64) []Outgoing
	// Submitted decides what happens to an operation that a client brought to this node. client
	// tells clients apart and means nothing else.
	Submitted(now int64, client string, item *message.Item) Taken
	// Answered returns what a client is told in place of the result of its plain operation, and
	// whether it is told anything at all.
	Answered(now int64, client string, item *message.Item, result []byte) (answer []byte, send bool)
	// Replied returns the signed reply that is sent in place of this member's; nil withholds it.
	Replied(now int64, r *message.Reply) *message.Reply
}

// Outgoing is a message, or a ready frame, for one replica or all.
type Outgoing struct {
	To    int
	Msg   message.Message
	Type  message.Type // of Frame
	Frame []byte       // sent as it is if not nil
}

// Taken says what a traitor does with a client's operation. The zero value lets it pass.
type Taken struct {
	Forget bool           // it is not ordered
	Answer []byte         // what the client of a forgotten plain operation is told; nil for nothing
	Reply  *message.Reply // what the client of a forgotten signed operation is told, if not nil
}
