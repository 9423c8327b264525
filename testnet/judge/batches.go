package judge

import (
	"fmt"
	"runtime"
	"sync"

	"byzd/crypto"
	"byzd/pbft/message"
)

// judgeDoubles looks whether a wrong root is what executing repeated operations twice gives.
func (h *History) judgeDoubles(v *Verdict, r *replay, c *message.Checkpoint, who string) {
	if len(r.repeated) == 0 || r.repeated[0].batch > c.Seq {
		return
	}
	if h.replay(r.chain, r.start, true).roots[c.Seq] == c.Root {
		first := r.repeated[0]
		v.say(Integrity, Broken, "after batch %d %s the root that comes of executing operations "+
			"twice; the first that was ordered again is %d of session %d, in batch %d",
			c.Seq, who, first.key.Seq, first.key.Session, first.batch)
	}
}

// judgeBatches judges what was executed: that the bodies are what the certificates cover, that
// every bundle is its gateway's and every signed operation its client's, unchanged.
func (h *History) judgeBatches(v *Verdict, replays []*replay) {
	for _, l := range h.correct() {
		h.judgeBodies(v, l)
	}
	for _, r := range replays {
		if r.missing != nil {
			v.executionIsUnknown("%v", r.missing)
		}
		if n := len(r.repeated); n > 0 {
			v.note("%d operations were ordered again and executed once, the first in batch %d",
				n, r.repeated[0].batch)
		}
	}
	bundles := h.executedBundles()
	refusals := h.checkBundles(bundles)
	shown := 0
	for i, why := range refusals {
		if why == nil {
			continue
		}
		shown++
		if shown > shownFaults {
			continue
		}
		b := bundles[i]
		h.judgeBundle(v, b, why)
	}
	if shown > shownFaults {
		v.note("%d more bundles like these", shown-shownFaults)
	}
}

// shownFaults bounds the faults of one sort that are described.
const shownFaults = 5

// judgeBodies finds bodies on a node's chain that a correct node does not execute.
func (h *History) judgeBodies(v *Verdict, l *Log) {
	if len(l.spoiled) == 0 {
		return
	}
	for _, c := range l.chains() {
		for i, d := range c.Digests {
			if why, spoiled := l.spoiled[d]; spoiled {
				v.say(Integrity, Broken, "%s keeps a body of batch %d that is not what was "+
					"certified: %v", h.who(l), c.Before.Seq+uint64(i)+1, why)
				return
			}
		}
	}
}

// ordered is a bundle, and where it was ordered first.
type ordered struct {
	seq    uint64
	era    *era
	bundle *message.Bundle
}

// executedBundles lists every bundle of the correct nodes' chains once.
func (h *History) executedBundles() []ordered {
	var list []ordered
	batches := map[crypto.Digest]bool{}
	bundles := map[crypto.Digest]bool{}
	for _, l := range h.correct() {
		for _, c := range l.chains() {
			for _, d := range c.Digests {
				b := h.batches[d]
				if batches[d] || b == nil {
					continue
				}
				batches[d] = true
				e := h.eraOf(l, b.Header.Epoch)
				for _, bundle := range b.Bundles {
					if !bundles[bundle.ID()] {
						bundles[bundle.ID()] = true
						list = append(list, ordered{b.Header.Seq, e, bundle})
					}
				}
			}
		}
	}
	return list
}

// checkBundles verifies the signatures of bundles, each once, on all processors: this is most of
// a judgement's work.
func (h *History) checkBundles(list []ordered) []error {
	const chunk = 64
	refusals := make([]error, len(list))
	todo, done := make(chan int), make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for from := range todo {
				for i := from; i < min(from+chunk, len(list)); i++ {
					refusals[i] = checkBundle(list[i].era.cfg, list[i].bundle)
				}
				done <- from
			}
		})
	}
	go func() {
		for from := 0; from < len(list); from += chunk {
			todo <- from
		}
		close(todo)
		workers.Wait()
		close(done)
	}()
	checked := 0
	for range done {
		checked = min(checked+chunk, len(list))
		h.progress("verifying signatures", checked, len(list))
	}
	for _, o := range list {
		h.checked += signatures(o.bundle)
	}
	return refusals
}

func signatures(b *message.Bundle) int {
	n := 1
	for i := range b.Items {
		if b.Items[i].Signed != nil {
			n++
		}
	}
	return n
}

// unchecked is a cache that remembers nothing: every bundle comes here once.
type unchecked struct{}

func (unchecked) Has(crypto.Digest) bool { return false }
func (unchecked) Add(crypto.Digest)      {}

// checkBundle returns the rule that a bundle breaks, or nil.
func checkBundle(cfg *message.Config, b *message.Bundle) error {
	_, err := message.Verify(cfg, unchecked{}, 0, cfg.Epoch, &message.Submission{Bundle: b})
	return err
}

// judgeBundle says what it means that a bundle was executed that its gateway, or a client, did not
// sign.
func (h *History) judgeBundle(v *Verdict, o ordered, why error) {
	b := o.bundle
	text := fmt.Sprintf("batch %d holds bundle %d of %s's gateway", o.seq, b.Seq,
		h.name(o.era.node(b.Gateway)))
	domain := h.Config.RequestDomain()
	for i := range b.Items {
		s := b.Items[i].Signed
		if s != nil && !s.Client.Verify(s.SignBytes(domain), s.Sig) {
			text = fmt.Sprintf("%s, in which client %s did not sign operation %d of its session %d",
				text, s.Client.Short(), s.Seq, s.Session)
			break
		}
	}
	v.say(Integrity, Broken, "%s: %v", text, why)
	v.say(Validity, Broken, "%s: %v", text, why)
}
