package judge

import (
	"encoding/binary"
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Describe says in one sentence who did what, as a verified proof shows it. who is what the culprit
// is called.
func Describe(who string, e *message.Evidence) string {
	first, second := say(&e.First), say(&e.Second)
	switch e.Kind {
	case message.EvidencePrepares, message.EvidenceCommits:
		return fmt.Sprintf("%s signed two %ss for view %d and sequence number %d: of batch %s and "+
			"of batch %s.", who, first.kind, first.number(0), first.number(1), first.digest(16),
			second.digest(16))
	case message.EvidenceFork, message.EvidenceForkedCommits:
		return fmt.Sprintf("%s signed %ss of view %d that are not on one chain: for sequence "+
			"number %d batch %s, and for %d batch %s, which descends from another one.", who,
			first.kind, first.number(0), first.number(1), first.digest(16), second.number(1),
			second.digest(16))
	case message.EvidenceBadBatch:
		return fmt.Sprintf("%s, the primary of view %d, proposed for sequence number %d batch %s, "+
			"%s.", who, first.number(0), first.number(1), first.digest(16), unfit(e))
	case message.EvidenceWrongRoot:
		return fmt.Sprintf("%s signed a CHECKPOINT of batch %s (sequence number %d) with root %s; "+
			"a quorum certified root %s. It may be a fault, and convicts nobody.", who,
			first.digest(8), first.number(0), first.digest(40), certifiedRoot(e))
	case message.EvidenceRequests:
		return fmt.Sprintf("%s signed two bundles for one place in its gateway's session, number "+
			"%d.", who, first.number(5))
	case message.EvidenceHiding:
		return fmt.Sprintf("%s signed a COMMIT of batch %s (view %d, sequence number %d), and "+
			"then moved to view %d reporting only (view %d, sequence number %d).", who,
			first.digest(16), first.number(0), first.number(1), second.number(0),
			second.number(1), second.number(2))
	case message.EvidenceNewViews:
		return fmt.Sprintf("%s, the primary of view %d, signed two different NEW-VIEWs for it.",
			who, first.number(0))
	case message.EvidenceBadNewView:
		return fmt.Sprintf("%s, the primary of view %d, signed a NEW-VIEW for it that breaks the "+
			"rules, whoever reads it.", who, first.number(0))
	case message.EvidenceChanges:
		return fmt.Sprintf("%s signed two different VIEW-CHANGEs to view %d.", who, first.number(0))
	case message.EvidenceForkedRoot:
		return fmt.Sprintf("%s signed CHECKPOINTs of two batches at sequence number %d: %s and %s.",
			who, first.number(0), first.digest(8), second.digest(8))
	default:
		return fmt.Sprintf("%s lied (%v).", who, e.Kind)
	}
}

func certifiedRoot(e *message.Evidence) string {
	if e.Stable == nil {
		return "?"
	}
	return e.Stable.Root.Short()
}

// unfit says what is wrong with the batch of an E7.
func unfit(e *message.Evidence) string {
	switch b := e.Bundles; len(b) {
	case 0:
		return "in which one bundle is twice"
	case 1:
		return fmt.Sprintf("in which bundle %d of member %d's gateway is not validly signed",
			b[0].Seq, b[0].Gateway)
	default:
		return fmt.Sprintf("in which two bundles are for place %d of session %d", b[0].Seq,
			b[0].Session)
	}
}

// saying reads fields of a signed body. It is for people: what is not there reads as zero.
type saying struct {
	kind string
	body []byte
}

func say(s *message.Statement) saying {
	kind := s.Kind.String()
	switch s.Kind {
	case crypto.KindPrepare:
		kind = "PREPARE"
	case crypto.KindCommit:
		kind = "COMMIT"
	default:
	}
	return saying{kind, s.Body}
}

func (s saying) number(i int) uint64 {
	if len(s.body) < 8*(i+1) {
		return 0
	}
	return binary.BigEndian.Uint64(s.body[8*i:])
}

func (s saying) digest(at int) string {
	if len(s.body) < at+len(crypto.Digest{}) {
		return "?"
	}
	return crypto.Digest(s.body[at:]).Short()
}
