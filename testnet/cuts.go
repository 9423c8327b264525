package testnet

import (
	"slices"
	"strconv"
	"strings"
)

// ParseCuts reads which links of a network of n nodes are to be cut. groups is the form
// "0,1/2,3": nodes of different groups do not reach each other, and a node that no group names
// keeps all its links. Each of oneWay is of the form "0>1": what node 0 sends does not reach
// node 1. Either may be empty, but not both. The result lists for each node, ascending, whom it
// does not reach.
func ParseCuts(n int, groups string, oneWay []string) ([][]int, error) {
	if groups == "" && len(oneWay) == 0 {
		return nil, usagef(partitionHint, "no partition was named")
	}
	cut := make([][]bool, n)
	for i := range cut {
		cut[i] = make([]bool, n)
	}
	if groups != "" {
		sets, err := parseGroups(n, groups)
		if err != nil {
			return nil, err
		}
		cutGroups(cut, sets)
	}
	for _, text := range oneWay {
		from, to, err := parseOneWay(n, text)
		if err != nil {
			return nil, err
		}
		cut[from][to] = true
	}
	lists := make([][]int, n)
	for i := range cut {
		for j, yes := range cut[i] {
			if yes {
				lists[i] = append(lists[i], j)
			}
		}
	}
	return lists, nil
}

const partitionHint = "name groups, as in 0,1/2,3, or one direction, as in --one-way '0>1'"

func cutGroups(cut [][]bool, sets [][]int) {
	for a := range sets {
		for b := range sets {
			if a == b {
				continue
			}
			for _, i := range sets[a] {
				for _, j := range sets[b] {
					cut[i][j] = true
				}
			}
		}
	}
}

// parseGroups reads disjoint groups, at least two of them.
func parseGroups(n int, text string) ([][]int, error) {
	var sets [][]int
	var seen []int
	for group := range strings.SplitSeq(text, "/") {
		var set []int
		for word := range strings.SplitSeq(group, ",") {
			i, err := parseName(n, word)
			if err != nil {
				return nil, err
			}
			if slices.Contains(seen, i) {
				return nil, usagef("a node belongs to one group",
					"node %d is named twice in %q", i, text)
			}
			seen, set = append(seen, i), append(set, i)
		}
		sets = append(sets, set)
	}
	if len(sets) < 2 {
		return nil, usagef(partitionHint, "%q is one group, and nothing to cut it from", text)
	}
	return sets, nil
}

func parseOneWay(n int, text string) (from, to int, err error) {
	left, right, ok := strings.Cut(text, ">")
	if !ok {
		return 0, 0, usagef("write '0>1' to keep what node 0 sends from node 1",
			"%q is not a direction", text)
	}
	if from, err = parseName(n, left); err != nil {
		return 0, 0, err
	}
	if to, err = parseName(n, right); err != nil {
		return 0, 0, err
	}
	if from == to {
		return 0, 0, usagef("name two nodes", "node %d cannot be cut from itself", from)
	}
	return from, to, nil
}

// parseName reads the number or the name of a node of n. Either is that of its home, whatever its
// number among the members is.
func parseName(n int, text string) (int, error) {
	return ParseNode(n, strings.TrimPrefix(strings.TrimSpace(text), namePrefix))
}

// ParseNode reads the number of a node of n, as [State] numbers them.
func ParseNode(n int, text string) (int, error) {
	text = strings.TrimSpace(text)
	i, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(i) != text {
		return 0, usagef("nodes are numbered, the first is 0",
			"%q is not the number of a node", text)
	}
	if i < 0 || i >= n {
		return 0, usagef("", "there is no node %d: this testnet has the nodes 0 to %d", i, n-1)
	}
	return i, nil
}
