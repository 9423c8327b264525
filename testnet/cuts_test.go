package testnet_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"byzd/testnet"
)

func TestParseCuts(t *testing.T) {
	for _, c := range []struct {
		name, groups string
		oneWay       []string
		want         [][]int
	}{
		{"halves", "0,1/2,3", nil, [][]int{{2, 3}, {2, 3}, {0, 1}, {0, 1}}},
		{"one alone, spaces", "0 / 1, 2 ,3", nil, [][]int{{1, 2, 3}, {0}, {0}, {0}}},
		{"a node without a group", "0/1", nil, [][]int{{1}, {0}, nil, nil}},
		{"three groups", "3/1/0,2", nil, [][]int{{1, 3}, {0, 2, 3}, {1, 3}, {0, 1, 2}}},
		{"one way", "", []string{"0>1", "3>0"}, [][]int{{1}, nil, nil, {0}}},
		{"by name", "node-0/node-1", []string{"node-2>3"}, [][]int{{1}, {0}, {3}, nil}},
		{"both", "0/1", []string{"0>1", "2>3"}, [][]int{{1}, {0}, {3}, nil}},
	} {
		got, err := testnet.ParseCuts(4, c.groups, c.oneWay)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestParseCuts_Refuses(t *testing.T) {
	for _, c := range []struct {
		groups, oneWay, want string
	}{
		{"", "", "no partition"},
		{"0,1", "", "one group"},
		{"0,1/2,4", "", "no node 4"},
		{"0,1/-1", "", "no node -1"},
		{"0,1/1,2", "", "node 1 is named twice"},
		{"0,1/", "", `"" is not the number`},
		{"0,x/1", "", `"x" is not the number`},
		{"0/01", "", `"01" is not the number`},
		{"", "0-1", "not a direction"},
		{"", "0>0", "from itself"},
		{"", "0>4", "no node 4"},
		{"", "4>0", "no node 4"},
		{"", "0>1>2", `"1>2" is not the number`},
	} {
		var oneWay []string
		if c.oneWay != "" {
			oneWay = []string{c.oneWay}
		}
		got, err := testnet.ParseCuts(4, c.groups, oneWay)
		wantError(t, c.groups+c.oneWay, err, testnet.Usage, c.want)
		if got != nil {
			t.Errorf("%q: got %v with an error", c.groups, got)
		}
	}
}

// wantError checks kind and text of an error.
func wantError(t *testing.T, what string, err error, kind testnet.Kind, text string) {
	t.Helper()
	e, ok := errors.AsType[*testnet.Error](err)
	if !ok || e.Kind != kind || !strings.Contains(e.Error(), text) {
		t.Errorf("%s: got error %v, want a %s one with %q", what, err, kind, text)
	}
}
