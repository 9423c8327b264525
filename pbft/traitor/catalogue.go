package traitor

import (
	"slices"
	"strings"

	"byzd/pbft/message"
)

// Group sorts the behaviours by what kind of lie they tell.
type Group string

// The groups.
const (
	Silence      Group = "silence"
	Timing       Group = "timing"
	Equivocation Group = "equivocation"
	Forgery      Group = "forgery"
	ViewChange   Group = "view change"
	Clients      Group = "clients"
	Gossip       Group = "gossip"
)

// Behaviour is an entry of the catalogue.
type Behaviour struct {
	Name    string `json:"name"`
	Group   Group  `json:"group"`
	Summary string `json:"summary"` // what it does, in one line
	Detail  string `json:"detail"`  // what it does given by name alone, for explain
	Defence string `json:"defence"` // what defeats it
	// Rises are the counters that rise on correct nodes: names of drops and refusals, or
	// "complained", "view-change", "proof". Empty if only a client can notice.
	Rises []string `json:"rises"`
	// Evidence are the kinds of proof that it can leave, the surest first; empty if it cannot be
	// proved.
	Evidence []string `json:"evidence"`
	// NeedsTransfer: it is told to who fetches a state; nobody does unless it was away for long, or
	// lost its disk.
	NeedsTransfer bool `json:"needs_transfer"`
	// NeedsPrimary: only the primary can tell it; until its node leads, it is armed, not fired.
	NeedsPrimary bool `json:"needs_primary"`
	// NeedsViewChange: there must be a view change for it to fire.
	NeedsViewChange bool     `json:"needs_view_change"`
	Keys            []string `json:"keys"` // of its spec

	targets []Choice // the words that its key "to" takes
	to      Choice   // whom it aims at by default
	spares  bool     // its accomplices hear the truth; else they are told what all are told
	rewrite string   // what part of its node's speech it rewrites; two of one kind contradict
	make    func(*armed) trick
}

// Catalogue lists every behaviour, by group and then as in the papers.
func Catalogue() []Behaviour {
	return slices.Concat(silences(), timings(), equivocations(), provables(), forgeries(),
		viewChanges(), clientLies(), gossipLies())
}

// Explain returns the entry of one behaviour. The error is a [SpecError].
func Explain(name string) (Behaviour, error) {
	b, found := behaviour(name)
	if !found {
		return Behaviour{}, &SpecError{
			Spec: name, Part: name, Problem: "there is no such behaviour",
			Advice: advise(name, names(), "byzd traitor list shows them all"),
		}
	}
	return *b, nil
}

func behaviour(name string) (*Behaviour, bool) {
	all := Catalogue()
	i := slices.IndexFunc(all, func(b Behaviour) bool { return b.Name == name })
	if i < 0 {
		return nil, false
	}
	return &all[i], true
}

func names() []string {
	all := Catalogue()
	list := make([]string, len(all))
	for i := range all {
		list[i] = all[i].Name
	}
	return list
}

// The words of the key "kind": the messages' names, and the two sorts of votes.
const (
	kindPrepare = "prepare"
	kindCommit  = "commit"
)

func messageKinds() []string {
	kinds := []string{kindPrepare, kindCommit}
	for t := message.Type(1); !strings.HasPrefix(t.String(), "type-"); t++ {
		kinds = append(kinds, t.String())
	}
	return kinds
}

// keysOf are the keys of a behaviour that speaks to other nodes.
func keysOf(more ...string) []string {
	return append(append([]string{keyTo}, whenKeys()...), append(more, keyWith)...)
}

func anyNodes() []Choice { return []Choice{All, Half, One} }

// What behaviours rewrite. Two that rewrite the same contradict each other.
const (
	rewritesProposals = "proposals"
	rewritesVotes     = "votes"
	rewritesChanges   = "view changes"
	rewritesNewViews  = "new views"
	rewritesAnswers   = "answers to clients"
)

func silences() []Behaviour {
	return []Behaviour{
		{
			Name: "mute", Group: Silence,
			Summary: "says nothing to the other nodes",
			Detail: "Everything that its node would send is withheld. It still hears, and still " +
				"answers its own clients as far as the others make progress.",
			Defence: "q of n go on without it; when it leads, complaints and a view change",
			Rises:   []string{"complained", "view-change"},
			Keys:    keysOf(keyKind), targets: anyNodes(), to: All, make: newMute,
		},
		{
			Name: "withhold-commit", Group: Silence,
			Summary: "prepares, but keeps its COMMITs to itself",
			Detail:  "Its PREPAREs go out, its COMMITs do not: what is prepared stays undecided.",
			Defence: "q COMMITs of others; commit certificates are pushed to who lacks them",
			Rises:   []string{"committed"},
			Keys:    keysOf(), targets: anyNodes(), to: All, make: newWithholdCommit,
		},
		{
			Name: "silent-new-primary", Group: Silence,
			Summary: "falls silent whenever a view change makes it the primary",
			Detail: "In every view after the first that its node leads, its NEW-VIEW and all of " +
				"its proposals and votes are withheld.",
			Defence:      "the new view's timer, started by a quorum of VIEW-CHANGEs",
			Rises:        []string{"view-change"},
			NeedsPrimary: true, NeedsViewChange: true,
			Keys: keysOf(), targets: anyNodes(), to: All, make: newSilentPrimary,
			rewrite: rewritesNewViews,
		},
	}
}

func timings() []Behaviour {
	return []Behaviour{
		{
			Name: "slow-primary", Group: Timing,
			Summary: "delays its proposals as long as it dares",
			Detail: "As primary it holds every pre-prepare back, by default for three quarters " +
				"of the view timeout: it is never silent, only slow.",
			Defence:      "the gap between proposals is timed while work waits: complaints",
			Rises:        []string{"complained", "view-change"},
			NeedsPrimary: true,
			Keys:         keysOf(keyDelay), targets: anyNodes(), to: All, make: newSlowPrimary,
		},
		{
			Name: "censor", Group: Timing,
			Summary: "as primary, never orders what one gateway submits",
			Detail: "The bundles of its victims (key to: by default one other node) are hidden " +
				"from its replica while it leads.",
			Defence:      "bundles go to all; each gateway's oldest has its own age: complaints",
			Rises:        []string{"complained", "view-change"},
			NeedsPrimary: true,
			Keys:         keysOf(), targets: anyNodes(), to: One, make: newCensor,
			spares: true,
		},
	}
}

func equivocations() []Behaviour {
	return []Behaviour{
		{
			Name: "equivocate-preprepare", Group: Equivocation,
			Summary: "as primary, proposes two batches for one sequence number",
			Detail: "Half of the nodes get the honest pre-prepare, the others one for another " +
				"valid batch in the same place, and each side the COMMITs that fit. With enough " +
				"accomplices (more than f traitors) the halves are cut so that both can commit.",
			Defence:      "at most one of the two reaches a quorum; the two PREPAREs are a proof",
			Rises:        []string{"proof", "complained"},
			Evidence:     []string{"E1-two-prepares", "E2-two-commits", "E4-forked-prepares"},
			NeedsPrimary: true,
			Keys:         keysOf(), targets: anyNodes(), to: Half, make: newEquivocatePrePrepare,
			spares:  true,
			rewrite: rewritesProposals,
		},
		{
			Name: "equivocate-per-peer", Group: Equivocation,
			Summary: "as primary, proposes another batch to every node",
			Detail: "Each node gets a batch of its own for the same sequence number: the same " +
				"operations in another order and at another time.",
			Defence:      "one slot per view, sequence number and voter; view change; proof",
			Rises:        []string{"proof", "complained"},
			Evidence:     []string{"E1-two-prepares", "E2-two-commits", "E4-forked-prepares"},
			NeedsPrimary: true,
			Keys:         keysOf(), targets: anyNodes(), to: All, make: newEquivocatePerPeer,
			spares:  true,
			rewrite: rewritesProposals,
		},
		{
			Name: "equivocate-votes", Group: Equivocation,
			Summary: "votes twice in one place, for two batches",
			Detail: "Beside each PREPARE and COMMIT it sends a second one for another digest. " +
				"With more than f traitors and an accomplice who equivocates as primary, it " +
				"votes on each side of the split for that side's batch only.",
			Defence:  "the first vote counts, the second is a proof",
			Rises:    []string{"vote_conflict", "proof"},
			Evidence: []string{"E1-two-prepares", "E2-two-commits", "E4-forked-prepares"},
			Keys:     keysOf(), targets: anyNodes(), to: All, make: newEquivocateVotes,
			spares:  true,
			rewrite: rewritesVotes,
		},
	}
}

// provables are lies about content that leave a proof.
func provables() []Behaviour {
	return []Behaviour{
		{
			Name: "duplicate-request", Group: Forgery,
			Summary: "as primary, orders a request twice in one batch",
			Detail:  "Each batch that it proposes names its first bundle twice.",
			Defence: "no backup PREPAREs such a batch; the primary's own word on it is a proof",
			Rises:   []string{"proof", "complained", "view-change"},
			Evidence: []string{
				"E7-invalid-batch", "E1-two-prepares",
			},
			NeedsPrimary: true,
			Keys:         keysOf(), targets: anyNodes(), to: All, make: newDuplicateRequest,
			rewrite: rewritesProposals,
		},
		{
			Name: "wrong-root", Group: Forgery,
			Summary: "claims in its CHECKPOINTs that it came to another state",
			Detail: "The root in each of its CHECKPOINTs is not that of its state. It is " +
				"reported (E8-wrong-root) and convicts nobody: a fault would look the same.",
			Defence: "a quorum must agree on the root",
			Rises:   []string{"proof"},
			Keys:    keysOf(), targets: anyNodes(), to: All, make: newWrongRoot,
		},
		{
			Name: "wrong-state", Group: Forgery,
			Summary: "spoils what it gives to a node that fetches the state",
			Detail: "One bit is wrong in every piece of the state that it hands out (in every " +
				"second one with p=0.5), and it claims that its log begins later than it does.",
			Defence: "each piece is checked by what a quorum certified; after one lie it is not " +
				"asked any more, and others give what is missing",
			Rises: []string{"state_part_not_certified"},
			Keys:  keysOf(), targets: anyNodes(), to: All, make: newWrongState,
			NeedsTransfer: true,
		},
		{
			Name: "two-bundles", Group: Forgery,
			Summary: "gives one place in its gateway's session to two bundles",
			Detail: "Three times a second it makes two bundles with one number, and sends half " +
				"of the others (key to) the one and the rest the other.",
			Defence:  "a place is executed once; when either is ordered, both are a proof",
			Rises:    []string{"proof"},
			Evidence: []string{"E9-two-bundles"},
			Keys:     keysOf(), targets: anyNodes(), to: Half, make: newTwoBundles,
		},
	}
}

func forgeries() []Behaviour {
	return []Behaviour{
		{
			Name: "bad-signature", Group: Forgery,
			Summary: "spoils its signatures",
			Detail:  "One bit of each signature is flipped; everything else is as it should be.",
			Defence: "signatures are checked before the protocol sees anything",
			Rises:   []string{"bad_signature"},
			Keys:    keysOf(keyKind), targets: anyNodes(), to: All, make: newBadSignature,
			spares: true,
		},
		{
			Name: "impersonate", Group: Forgery,
			Summary: "votes in the names of others",
			Detail: "Beside each statement of its own it sends one that claims to be another " +
				"member's, with the only signature that it can make: its own.",
			Defence: "a statement is checked with the key of whom it names",
			Rises:   []string{"bad_signature"},
			Keys:    keysOf(), targets: anyNodes(), to: All, make: newImpersonate,
			spares: true,
		},
		{
			Name: "corrupt", Group: Forgery,
			Summary: "damages its frames",
			Detail:  "Bits are flipped, the end is cut off, or bytes follow after the end.",
			Defence: "strict decoding, then signatures",
			Rises:   []string{"malformed", "bad_signature"},
			Keys:    keysOf(keyKind), targets: anyNodes(), to: All, make: newCorrupt,
			spares: true,
		},
		{
			Name: "replay-old", Group: Forgery,
			Summary: "sends old messages again, its own and those of others",
			Detail: "What it sent or heard is kept and sent again later (key delay: how old it " +
				"is at least).",
			Defence: "every statement names its view and place; old ones are dropped",
			Rises:   []string{"vote_outside_window", "vote_duplicate", "bundle_already_done"},
			Keys:    keysOf(keyKind, keyDelay), targets: anyNodes(), to: All, make: newReplayOld,
			spares: true,
		},
		{
			Name: "wrong-digest", Group: Forgery,
			Summary: "names digests that fit no batch",
			Detail: "As primary its header does not cover the bundles that it lists; as a backup " +
				"it votes for a digest that nothing has, and passes on a batch whose body is not " +
				"what its header says.",
			Defence: "digests are computed, never believed",
			Rises:   []string{"body_mismatch"},
			Keys:    keysOf(), targets: anyNodes(), to: All, make: newWrongDigest,
			rewrite: rewritesVotes,
		},
	}
}

func viewChanges() []Behaviour {
	return []Behaviour{
		{
			Name: "view-change-spam", Group: ViewChange,
			Summary: "complains without reason and asks for views far away",
			Detail: "Twenty times a second it complains and sends VIEW-CHANGEs to views beyond " +
				"2^40. It keeps to them: it COMMITs no more below, so nothing is provable.",
			Defence: "one VIEW-CHANGE is kept per replica, and f+1 are needed to follow",
			Rises:   []string{"view_change_old"},
			Keys:    keysOf(), targets: anyNodes(), to: All, make: newViewChangeSpam,
			rewrite: rewritesChanges,
		},
		{
			Name: "vc-hide-prepared", Group: ViewChange,
			Summary: "hides in its VIEW-CHANGE what it has prepared",
			Detail: "Its VIEW-CHANGE claims that it never saw a prepared certificate, although " +
				"it has sent COMMITs.",
			Defence:         "any quorum of VIEW-CHANGEs holds a correct committer; proof",
			Rises:           []string{"proof"},
			Evidence:        []string{"E5-lock-hiding", "E10-two-view-changes"},
			NeedsViewChange: true,
			Keys:            keysOf(), targets: anyNodes(), to: All, make: newHidePrepared,
			rewrite: rewritesChanges,
		},
		{
			Name: "fork-views", Group: ViewChange,
			Summary: "lets a few commit what the next view then forgets",
			Detail: "As primary it tells only its victims (by default half of the others) what " +
				"it proposes, and sends them its COMMIT at once; the others hear nothing and " +
				"change the view, and its VIEW-CHANGE does not report what it committed. With " +
				"more than f traitors, and a network that keeps the victims and the others " +
				"apart, both sides execute: agreement is broken across two views.",
			Defence:      "up to f: no quorum commits; a COMMIT that is not reported is a proof",
			Rises:        []string{"proof", "complained", "view-change"},
			Evidence:     []string{"E5-lock-hiding"},
			NeedsPrimary: true,
			Keys:         keysOf(), targets: anyNodes(), to: Half, make: newForkViews,
			spares:  true,
			rewrite: rewritesProposals,
		},
		{
			Name: "newview-wrong", Group: ViewChange,
			Summary: "as new primary, starts the view from another base than it must",
			Detail: "Its NEW-VIEW names the epoch's base although one of the VIEW-CHANGEs in it " +
				"proves a higher one.",
			Defence:         "every backup computes the base again; what it signed is a proof",
			Rises:           []string{"wrong_base", "proof", "view-change"},
			Evidence:        []string{"E6-invalid-new-view"},
			NeedsPrimary:    true,
			NeedsViewChange: true,
			Keys:            keysOf(), targets: anyNodes(), to: All, make: newWrongNewView,
			rewrite: rewritesNewViews,
		},
	}
}

func clientLies() []Behaviour {
	const defence = "f+1 equal replies of distinct members; a client that trusts its node is fooled"
	return []Behaviour{
		{
			Name: "ack-and-forget", Group: Clients,
			Summary: "confirms its clients' operations and never orders them",
			Detail: "The client is told at once that all went well. No other node ever hears of " +
				"the operation.",
			Defence: defence,
			Keys:    append(whenKeys(), keyWith), make: newAckAndForget, rewrite: rewritesAnswers,
		},
		{
			Name: "process-and-mute", Group: Clients,
			Summary: "executes its clients' operations and never answers",
			Detail:  "The operations are ordered and executed; the client hears nothing.",
			Defence: "the client asks others on silence; sessions make the repetition harmless",
			Keys:    append(whenKeys(), keyWith), make: newProcessAndMute,
			rewrite: rewritesAnswers,
		},
		{
			Name: "contradict", Group: Clients,
			Summary: "tells each client another result",
			Detail: "Each client of its node gets a result of its own making: two clients who " +
				"read the same key read different values.",
			Defence: defence,
			Keys:    append(whenKeys(), keyWith), make: newContradict, rewrite: rewritesAnswers,
		},
		{
			Name: "lie-reply", Group: Clients,
			Summary: "answers its clients wrongly, and signs it",
			Detail:  "Every result is replaced by a plausible other one, the same for everybody.",
			Defence: defence,
			Keys:    append(whenKeys(), keyWith), make: newLieReply, rewrite: rewritesAnswers,
		},
	}
}

func gossipLies() []Behaviour {
	return []Behaviour{{
		Name: "swim-false-dead", Group: Gossip,
		Summary: "tells the gossip that others are dead",
		Detail: "Its membership agent declares its victims (by default all other nodes) dead to " +
			"whoever listens (key to).",
		Defence: "hearsay is demoted, the victim refutes; agreement does not listen to gossip",
		Rises:   []string{"hearsay_demoted"},
		Keys:    []string{keyTo, keyVictims, keySeed, keyWith},
		targets: []Choice{Listeners, All, Half, One}, to: Listeners, make: newGossipLie,
		spares: true,
	}}
}
