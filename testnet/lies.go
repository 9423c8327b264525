package testnet

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"byzd/daemon/config"
	"byzd/pbft/traitor"
)

// specs are the lies that node i is told, as it is to be told them: the traitors of one testnet are
// one coalition, so each learns who the others are, unless its specification says with whom it
// lies. The caller holds mu.
func (s *supervisor) specs(i int) []string {
	specs := []string{}
	for _, text := range s.state.Nodes[i].Lying {
		specs = append(specs, withAccomplices(text, s.state.accomplices(i)))
	}
	return specs
}

// identities are the nodes' peer IDs, by their numbers: what a node is told besides numbers, so
// that they mean the same nodes whoever the members are. It is nil if the key of one cannot be
// read. The caller holds mu.
func (s *supervisor) identities() []string {
	for i := len(s.ids); i < len(s.state.Nodes); i++ {
		network, _, err := config.ReadKeys(config.Home(s.state.Nodes[i].Home))
		if err != nil {
			return nil
		}
		s.ids = append(s.ids, network.ID().String())
	}
	return slices.Clone(s.ids)
}

// accomplices returns the other nodes that lie now.
func (s *State) accomplices(i int) []int {
	var list []int
	for j := range s.Nodes {
		if j != i && len(s.Nodes[j].Lying) > 0 {
			list = append(list, j)
		}
	}
	return list
}

// withAccomplices adds to a specification with whom the lie is told, where the behaviour can lie
// with others and the text does not say so itself.
func withAccomplices(text string, nodes []int) string {
	spec, err := traitor.Parse(text)
	if err != nil || spec.Alone || len(spec.With) > 0 || len(nodes) == 0 {
		return text
	}
	separator := ","
	if !strings.Contains(text, ":") {
		separator = ":"
	}
	longer := text + separator + "with=" + plusNodes(nodes)
	if _, err := traitor.Parse(longer); err != nil {
		return text // a behaviour that knows no accomplices
	}
	return longer
}

// plusNodes writes nodes as the nodes' own command line has them: 1+3.
func plusNodes(nodes []int) string {
	words := make([]string, len(nodes))
	for i, n := range nodes {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, "+")
}

// setTraitor makes node i tell these lies and no others from now on. The node is listed as a
// traitor before it can lie for the first time.
func (s *supervisor) setTraitor(ctx context.Context, i int, specs []string, beyondF bool) error {
	if err := checkSpecs(i, s.size(), specs); err != nil {
		return err
	}
	if err := s.take(ctx, s.tell[i]); err != nil {
		return err
	}
	err := s.setTraitorHeld(ctx, i, specs, beyondF)
	s.tell[i].give()
	if err != nil {
		return err
	}
	return s.informAll(ctx) // the accomplices
}

func (s *supervisor) setTraitorHeld(
	ctx context.Context, i int, specs []string, beyondF bool,
) error {
	var refused error
	var before NodeState
	saved := s.change(func(st *State) {
		n := &st.Nodes[i]
		before = *n
		before.Traitors, before.Lying = slices.Clone(n.Traitors), slices.Clone(n.Lying)
		if len(specs) > 0 && !n.Traitor() {
			refused = checkTraitors(len(st.Nodes), append(st.traitors(), i), beyondF)
		}
		if refused == nil {
			n.setLies(specs)
		}
	})
	if err := errors.Join(refused, saved); err != nil {
		return err
	}
	s.log.printf("node %d lies: %s", i, strings.Join(append([]string{}, specs...), " "))
	err := s.informHeld(ctx, i)
	if _, ok := errors.AsType[*refusal](err); ok {
		// It certainly does not do it, so it is as honest as before.
		undone := s.change(func(st *State) {
			st.Nodes[i].Traitors, st.Nodes[i].Lying = before.Traitors, before.Lying
		})
		return errors.Join(err, undone)
	}
	return err
}
