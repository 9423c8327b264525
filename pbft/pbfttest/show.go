package pbfttest

import (
	"fmt"
	"strings"

	"byzd/pbft/message"
)

// show looks at nodes: at all that run, or at those named.
func (s *Script) show(a *arguments) string {
	what := a.first()
	nodes := a.nodes("node", len(s.net.Nodes))
	if nodes == nil {
		for i, node := range s.net.Nodes {
			if !node.Down {
				nodes = append(nodes, i)
			}
		}
	}
	look, known := map[string]func(*Node) string{
		"status": s.status, "log": s.log, "proofs": s.proofs, "drops": s.drops,
		"records": s.records, "tau": s.tau,
	}[what]
	if !known {
		a.fail("show status, log, proofs, drops, records or tau, not %q", what)
		return ""
	}
	for _, i := range nodes {
		s.note(i, look(s.net.Nodes[i]))
	}
	return ""
}

func (*Script) status(node *Node) string {
	st := node.Replica.State()
	line := fmt.Sprintf("view %d, executed %d, stable %d, tip %d", st.View, st.Executed, st.Stable,
		st.Tip)
	if st.Pending > 0 {
		line += fmt.Sprintf(", %d pending", st.Pending)
	}
	if st.Complaint != "" {
		line += ", complains: " + st.Complaint
	}
	if st.Reason != "" {
		line += "; does not vote: " + st.Reason
	}
	return line
}

func (s *Script) log(node *Node) string {
	names := []string{}
	for _, b := range node.Log {
		s.learn(b)
		names = append(names, s.name(message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}))
	}
	if len(names) == 0 {
		return "has executed nothing"
	}
	return "has executed " + strings.Join(names, " ")
}

func (*Script) proofs(node *Node) string {
	if len(node.Proofs) == 0 {
		return "has no proof"
	}
	list := []string{}
	for _, e := range node.Proofs {
		list = append(list, fmt.Sprintf("%d: %v", e.Culprit, e.Kind))
	}
	return "has proofs against " + strings.Join(list, ", ")
}

func (*Script) drops(node *Node) string {
	byName := map[string]int{}
	for why, n := range node.Drops {
		byName[string(why)] = n
	}
	return "dropped " + counts(byName)
}

// records tells what is durable, the newest last.
func (s *Script) records(node *Node) string {
	list := []string{}
	for _, rec := range node.Records {
		switch rec.Type {
		case message.RecordBatch:
			ref := message.Ref{Seq: rec.Batch.Header.Seq, Digest: rec.Batch.Header.Digest()}
			list = append(list, "body "+s.name(ref))
		case message.RecordVote:
			list = append(list, fmt.Sprintf("%v %s", rec.Vote.Kind, s.name(rec.Vote.Ref())))
		case message.RecordHigh:
			list = append(list, "certificate "+s.name(rec.Cert.Ref()))
		case message.RecordCommitted:
			list = append(list, "committed "+s.name(rec.Cert.Ref()))
		case message.RecordTarget:
			list = append(list, fmt.Sprintf("VIEW-CHANGE %d", rec.Change.Stmt.NewView))
		case message.RecordView:
			list = append(list, fmt.Sprintf("view %d", rec.NewView.View))
		case message.RecordNewView:
			list = append(list, fmt.Sprintf("NEW-VIEW %d", rec.NewView.View))
		default:
		}
	}
	return "has on disk: " + strings.Join(list, ", ")
}

func (*Script) tau(node *Node) string {
	return fmt.Sprintf("view timeout %d ms", node.Replica.State().Tau)
}
