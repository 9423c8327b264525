package scope

import "strings"

// Scope is what one search explores.
type Scope struct {
	Name string
	Text string // what is in it, what is not, and why

	Traitors []int
	Seqs     int    // sequence numbers that there are bundles for
	Views    uint64 // views whose messages are delivered
	Digests  int    // batches that a lying primary proposes for each place
	Timers   int    // timer events of each replica

	Checkpoints     bool // traitors sign checkpoints
	CheckpointEvery uint64
	Window          uint64
	InFlight        int

	// Certified narrows a scope: PREPAREs and COMMITs of others are not delivered one by one.
	// Instead whatever certificate their signatures allow is delivered as one message. X1 covers
	// the counting.
	Certified bool
	// Counted delivers CHECKPOINTs one by one all the same.
	Counted bool

	// Whole narrows a scope: whoever learns of a certificate gets the batches that it names at the
	// same time, as far as it lacks them.
	Whole bool

	// Bases ends a view after the first when its base is certified again: what is proposed in it
	// is not delivered.
	Bases bool
	// Transfers lets every replica with a stable checkpoint offer its state, as if its log began
	// there, and a traitor offer what is not so.
	Transfers bool
	// Crashes is how often the replica Crasher crashes and starts again. Its disk takes its time:
	// what it stages is durable at an event of its own.
	Crashes, Crasher int

	Junk   bool // traitors vote for a digest that no batch has
	AtOnce bool // own statements come back at once, instead of whenever the disk is ready
	Plain  bool // every single delivery is a state: no reduction
	// Sight searches by what can be seen of the replicas, and not by what each has become.
	Sight bool

	// Control marks a scope with more than f traitors. A search that finds nothing broken in it is
	// blind.
	Control bool
}

// small returns the numbers that most scopes share: no checkpoint is reached.
func small(name, text string, traitors ...int) Scope {
	return Scope{
		Name: name, Text: text, Traitors: traitors, Seqs: 1, Views: 1, Digests: 2,
		CheckpointEvery: 8, Window: 32, InFlight: 1,
	}
}

// Scopes lists the scopes that there are, in order.
func Scopes() []Scope {
	primary := small("X1-primary", "1 sequence number, 1 view, 2 digests; the primary lies", 0)
	backup := small("X1-backup", "1 sequence number, 1 view; a backup lies, and votes for a "+
		"second digest", 3)
	backup.Junk = true
	control := small("control", "X1 with two traitors of four: must be found broken", 0, 3)
	control.Control = true
	scopes := []Scope{primary, backup}
	for _, liar := range []struct {
		name, text string
		number     int
	}{
		{"primary", "the primary of view 0 lies", 0},
		{"next", "the primary of view 1 lies", 1},
		{"backup", "a backup lies", 3},
	} {
		wide := small("X2wide-"+liar.name, "X2, and a new batch in view 1, of 2 digests. Use "+
			"--limit: it is large", liar.number)
		wide.Views, wide.Timers, wide.AtOnce, wide.Certified = 2, 1, true, true
		wide.Sight = true
		x2 := wide
		x2.Name, x2.Bases, x2.Sight = "X2-"+liar.name, true, false
		x2.Text = "1 sequence number of 2 digests, 2 views, until the base of view 1 is " +
			"certified again; " + liar.text + "; certificates are delivered instead of single votes"
		scopes = append(scopes, x2, wide)
	}
	for _, liar := range []struct {
		name, text string
		number     int
	}{
		{"primary", "the primary of view 0 lies", 0},
		{"next", "the primary of view 1 lies", 1},
		{"backup", "a backup lies", 3},
	} {
		x3 := small("X3-"+liar.name, "2 sequence numbers, 2 views; "+liar.text+"; replica 2 "+
			"crashes once, at any point between a record and what waits for it, and starts again; "+
			"certificates are delivered, with their batches, instead of single votes. Use --limit "+
			"or --levels: it is large",
			liar.number)
		x3.Seqs, x3.Views, x3.Timers, x3.AtOnce, x3.Certified = 2, 2, 1, true, true
		x3.Crashes, x3.Crasher, x3.Sight = 1, 2, true
		x3.Whole, x3.Bases = true, true
		scopes = append(scopes, x3)
	}
	transfer := small("X5", "2 sequence numbers with checkpoints, 1 view; every replica may be "+
		"offered the state instead of the batches, by correct ones and by a backup that lies "+
		"about where its log begins; what it installs is checked by the daemon, not here",
		3)
	transfer.Seqs, transfer.CheckpointEvery, transfer.Window = 2, 1, 2
	transfer.Checkpoints, transfer.AtOnce, transfer.Certified = true, true, true
	transfer.Transfers = true
	return append(append(scopes, watermarks()...), transfer, control)
}

// Find returns the scopes of a name, or of a group: what comes before the first hyphen.
func Find(name string) []Scope {
	var found []Scope
	for _, sc := range Scopes() {
		group, _, _ := strings.Cut(sc.Name, "-")
		if strings.EqualFold(sc.Name, name) || strings.EqualFold(group, name) {
			found = append(found, sc)
		}
	}
	return found
}

// watermarks returns the scopes in which checkpoints become stable and the window moves.
func watermarks() []Scope {
	var list []Scope
	for _, liar := range []struct {
		name, text string
		number     int
	}{{"primary", "the primary lies", 0}, {"backup", "a backup lies", 3}} {
		moving := small("X4-"+liar.name, "3 sequence numbers, a checkpoint after each, a window "+
			"of 2 (the smallest), 1 view; "+liar.text+"; certificates are delivered, with their "+
			"batches, instead of single votes and checkpoints", liar.number)
		moving.Seqs, moving.CheckpointEvery, moving.Window = 3, 1, 2
		moving.Checkpoints, moving.AtOnce, moving.Certified = true, true, true
		moving.Sight, moving.Whole = true, true
		counting := moving
		counting.Name, counting.Seqs, counting.Counted = "X4-"+liar.name+"-counted", 1, true
		counting.Sight, counting.Whole = false, false
		counting.Text = "1 sequence number and its checkpoint, 1 view; " + liar.text +
			"; certificates are delivered instead of single votes, checkpoints one by one"
		list = append(list, moving, counting)
	}
	return list
}
