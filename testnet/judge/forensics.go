package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Fork is a place where two chains part that quorums certified, and what brought that about: more
// than f members lied, and the certificates say which (PROTOCOL §4.13 with rules R7.6 to R7.8).
type Fork struct {
	Epoch    uint64 `json:"epoch,omitempty"`
	Sequence uint64 `json:"sequence"` // the lowest at which the two chains differ
	One      string `json:"one"`      // what certifies the one, of the lower view
	Other    string `json:"other"`    // what certifies the other
	// Cause says how it came about, and Guilty who is guilty of that by the rule for it.
	Cause  string `json:"cause"`
	Guilty []Name `json:"guilty"`
	// Unproven says why fewer than f+1 can be named; empty if they are.
	Unproven string `json:"unproven,omitempty"`

	needed int // f+1 of its epoch
}

// Forensics is what the journals of correct nodes tell of a broken agreement.
type Forensics struct {
	Forks    []Fork      `json:"forks"`  // one for each pair of chains; the lowest first
	Needed   int         `json:"needed"` // f+1 of the first fork's epoch: so many lied at least
	Culprits []Name      `json:"culprits"`
	Evidence []ProofFile `json:"evidence"` // filled in by WriteFindings
	Notes    []string    `json:"notes"`

	verdict *Verdict
}

// Investigate looks for forks and for the guilty, in the journals of correct nodes (those of others
// may be missing), in archives and in proofs. It neither executes anything again nor judges any
// other property. The history may be investigated once.
func Investigate(h *History) *Forensics {
	v := &Verdict{}
	h.chains(v)
	f := &Forensics{
		Needed: h.latest().cfg.Sizes.Weak, Culprits: []Name{}, Evidence: []ProofFile{},
		Notes: []string{},
	}
	h.judgeCulprits(v)
	if len(v.Forks) > 0 {
		f.Needed = v.Forks[0].needed
	}
	f.Forks, f.verdict = append([]Fork{}, v.Forks...), v
	f.Culprits = append(f.Culprits, v.Culprits...)
	for _, note := range v.Notes {
		if !strings.HasPrefix(note, forkNote) { // it stands in Forks
			f.Notes = append(f.Notes, note)
		}
	}
	for _, finding := range v.Findings {
		f.Notes = append(f.Notes, finding.Text)
	}
	slices.Sort(f.Notes)
	f.Notes = slices.Compact(f.Notes)
	return f
}

// WriteFindings leaves the proofs in a directory, as [History.WriteProofs] does.
func (h *History) WriteFindings(f *Forensics, dir string) error {
	err := h.WriteProofs(f.verdict, dir)
	f.Evidence = append(f.Evidence, f.verdict.Evidence...)
	return err
}

// Proofs are those behind Culprits.
func (f *Forensics) Proofs() []Proof { return f.verdict.Proofs }

// branch is a certificate of one side of a fork.
type branch struct {
	seq   uint64 // where it parts from the main chain
	claim *claim
}

// noteForks traces every fork that certificates show, and says whether enough are named.
func (h *History) noteForks(v *Verdict) {
	var pairs [][2]*claim
	var at []uint64
	if main := h.longest(); main != nil {
		for _, b := range h.branches(main) {
			if trunk := h.onMain(main, b.seq); trunk != nil {
				pairs, at = append(pairs, [2]*claim{trunk, b.claim}), append(at, b.seq)
			}
		}
	}
	if len(pairs) == 0 {
		if pair, ok := h.clash(); ok {
			pairs, at = append(pairs, pair), append(at, pair[0].ref.Seq)
		}
	}
	for i, pair := range pairs {
		e := pair[0].earlier(pair[1]).era
		named := e.convicted(v.Proofs)
		fork := h.trace(pair[0], branch{at[i], pair[1]}, e, named)
		fork.Epoch, fork.needed = e.cfg.Epoch, e.cfg.Sizes.Weak
		if named.Count() < fork.needed {
			fork.Unproven = fmt.Sprintf("%d of the %d at least that must have lied are named: the "+
				"certificates, NEW-VIEWs or headers that show the rest are not in these journals",
				named.Count(), fork.needed)
		}
		v.Forks = append(v.Forks, *fork)
	}
	for _, f := range v.Forks {
		v.note(forkNote+"%d: %s; %s. %s", f.Sequence, f.One, f.Other, f.Cause)
		if f.Unproven != "" {
			v.note(forkNote+"%d: %s", f.Sequence, f.Unproven)
		}
	}
}

// earlier is the claim of the lower epoch.
func (c *claim) earlier(other *claim) *claim {
	if other.era.cfg.Epoch < c.era.cfg.Epoch {
		return other
	}
	return c
}

// forkNote opens the notes on forks.
const forkNote = "fork at sequence number "

// longest is the longest chain that a correct node executed.
func (h *History) longest() *Chain {
	var main *Chain
	for _, l := range h.correct() {
		if l.chain != nil && (main == nil || l.chain.Top() > main.Top()) {
			main = l.chain
		}
	}
	return main
}

// claims are all certificates that decide something, of correct nodes' journals and of alarms.
func (h *History) claims() []*claim {
	var list []*claim
	for _, l := range h.correct() {
		list = append(list, l.decided...)
	}
	for _, e := range h.eras {
		for _, a := range e.said.alarms {
			for _, c := range []*message.Certificate{a.First, a.Second} {
				if c != nil && c.Kind == crypto.KindCommit {
					list = append(list, &claim{ref: c.Ref(), era: e, commit: c})
				}
			}
			if c := a.FirstCheckpoint; c != nil {
				list = append(list, &claim{ref: c.Ref(), era: e, stable: c})
			}
		}
	}
	return list
}

// branches lists the certificates that are off the main chain, one for each chain: the one that
// tells most, a commit certificate of the lowest rank.
func (h *History) branches(main *Chain) []branch {
	byPlace := map[message.Ref]branch{} // by the first batch of the branch
	for _, c := range h.claims() {
		first, off := h.parts(main, c.ref)
		if !off {
			continue
		}
		old, known := byPlace[first]
		if known && !c.tellsMore(old.claim) || h.verify(c) != nil {
			continue
		}
		byPlace[first] = branch{first.Seq, c}
	}
	list := make([]branch, 0, len(byPlace))
	for _, b := range byPlace {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b branch) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq),
			slices.Compare(a.claim.ref.Digest[:], b.claim.ref.Digest[:]))
	})
	return list[:min(len(list), shownForks)]
}

// clash finds two certificates of different batches at one sequence number where no chain shows the
// fork: all that is left of it when the journals were cut above it. Of several it is the lowest,
// and one of two certificates of one epoch, which tell who signed both.
func (h *History) clash() (pair [2]*claim, found bool) {
	first := map[uint64][]*claim{}
	for _, c := range h.claims() {
		known := false
		for _, other := range first[c.ref.Seq] {
			if other.ref.Digest == c.ref.Digest {
				known = known || other.era == c.era
				continue
			}
			one := pair[0] != nil && pair[0].era == pair[1].era
			better := !found || other.era == c.era && !one ||
				(other.era == c.era) == one && c.ref.Seq < pair[0].ref.Seq
			if better && h.verify(c) == nil {
				pair, found = [2]*claim{other, c}, true
			}
		}
		if !known && h.verify(c) == nil {
			first[c.ref.Seq] = append(first[c.ref.Seq], c)
		}
	}
	return pair, found
}

// tellsMore reports whether a certificate says more about a fork than another one: one of the epoch
// that it began in, and there a commit certificate, which names its view.
func (c *claim) tellsMore(other *claim) bool {
	switch {
	case c.era.cfg.Epoch != other.era.cfg.Epoch:
		return c.era.cfg.Epoch < other.era.cfg.Epoch
	case c.commit == nil || other.commit == nil:
		return c.commit != nil || other.commit == nil && c.ref.Seq < other.ref.Seq
	default:
		return c.commit.Rank().Less(other.commit.Rank())
	}
}

// parts finds the first batch of a chain that is not on the main one, as far as headers are known,
// and whether there is one where the main chain has another.
func (h *History) parts(main *Chain, at message.Ref) (first message.Ref, off bool) {
	for at.Seq > main.Before.Seq && !main.has(at) {
		first = at
		header := h.headers[at.Digest]
		if header == nil || header.Seq != at.Seq || at.Seq == 0 {
			break
		}
		at = message.Ref{Seq: at.Seq - 1, Digest: header.Parent}
	}
	return first, first.Seq > main.Before.Seq && first.Seq <= main.Top()
}

// onMain is the certificate of the main chain that tells most of what it has at a sequence number.
func (h *History) onMain(main *Chain, seq uint64) *claim {
	var best *claim
	for _, c := range h.claims() {
		if c.ref.Seq >= seq && main.has(c.ref) && (best == nil || c.tellsMore(best)) &&
			h.verify(c) == nil {
			best = c
		}
	}
	return best
}

// trace says how a fork in an era came about.
func (h *History) trace(trunk *claim, b branch, e *era, named quorum.Set) *Fork {
	low, high := trunk, b.claim
	if low.commit != nil && high.commit != nil && high.commit.View < low.commit.View {
		low, high = high, low
	}
	f := &Fork{
		Sequence: b.seq, One: h.describeBranch(low), Other: h.describeBranch(high),
		Guilty: []Name{},
	}
	var guilty quorum.Set
	switch {
	case low.era != high.era:
		f.Cause, guilty = "of one side only certificates of a later epoch are left, which do not "+
			"tell who broke the earlier one", named
	case low.commit == nil || high.commit == nil:
		f.Cause, guilty = "the checkpoints alone do not tell in which views", named
		if low.stable != nil && high.stable != nil && low.ref.Seq == high.ref.Seq {
			guilty = low.signers().Intersect(high.signers())
			f.Cause = "two CHECKPOINTs of one sequence number (R7.8, E11)"
		}
	case low.commit.View == high.commit.View:
		f.Cause = fmt.Sprintf("both in view %d, so whoever PREPAREd both signed for two chains "+
			"(R7.6: E1, E4)", low.commit.View)
		guilty = named
	default:
		f.Cause, guilty = h.traceViews(e, low.commit, high.commit, named)
	}
	for _, i := range guilty.Members() {
		f.Guilty = append(f.Guilty, h.nameOf(e.node(i)))
	}
	if names := h.members(e, guilty); names != "" {
		f.Cause += ": " + names
	}
	return f
}

func (h *History) describeBranch(c *claim) string {
	return c.ref.Digest.Short() + " is certified by " + h.describeClaim(c)
}

// traceViews applies rule R7.7: of the NEW-VIEWs that correct nodes accepted after the view of the
// lower certificate, up to that of the higher one, the first whose base forgets it.
func (h *History) traceViews(
	e *era, low, high *message.Certificate, named quorum.Set,
) (cause string, guilty quorum.Set) {
	var first *message.NewView
	for _, l := range h.correct() {
		for _, m := range l.entered {
			if m.era == e && m.View > low.View && m.View <= high.View &&
				h.forgets(m.NewView, low) && (first == nil || m.View < first.View) {
				first = m.NewView
			}
		}
	}
	switch {
	case first == nil:
		return fmt.Sprintf("no NEW-VIEW of views %d to %d that forgets the former is kept",
			low.View+1, high.View), named
	case !first.Base.Rank().Less(low.Rank()):
		return fmt.Sprintf("view %d was started from a batch that was prepared in view %d on "+
			"another chain (R7.7: E4)", first.View, first.Base.View), named
	}
	for i := range first.Stmts {
		s := &first.Stmts[i]
		if low.Signers.Has(s.Voter) && s.HighRank().Less(low.Rank()) {
			guilty = guilty.Add(s.Voter)
		}
	}
	return fmt.Sprintf("view %d was started from batch %d of view %d, because members that had "+
		"sent a COMMIT hid it in their VIEW-CHANGEs (R7.7: E5)", first.View, first.Base.Seq,
		first.Base.View), guilty
}

// forgets reports whether a NEW-VIEW starts from a batch that need not have what was certified
// among its ancestors: one of lower rank, or on another chain.
func (h *History) forgets(m *message.NewView, c *message.Certificate) bool {
	if m.Base.Rank().Less(c.Rank()) {
		return true
	}
	at := m.Base.Ref()
	for at.Seq > c.Seq {
		header := h.headers[at.Digest]
		if header == nil || header.Seq != at.Seq {
			return false // it cannot be shown
		}
		at = message.Ref{Seq: at.Seq - 1, Digest: header.Parent}
	}
	return at != c.Ref()
}
