package conditions_test

import (
	"testing"

	"byzd/crypto"
	"byzd/daemon/conditions"
)

// Rules replace each other as a whole, and nobody can change them behind the table's back.
func TestTable(t *testing.T) {
	a, b := crypto.NodeID{1}, crypto.NodeID{2}
	var table conditions.Table
	if !table.Sends(a) || table.Cut() != nil {
		t.Error("the zero table cuts something")
	}
	cut := []crypto.NodeID{a}
	table.Set(conditions.Rules{Cut: cut})
	cut[0] = b
	if table.Sends(a) || !table.Sends(b) || len(table.Cut()) != 1 {
		t.Errorf("after cutting a: %v", table.Cut())
	}
	table.Set(conditions.Rules{})
	if !table.Sends(a) {
		t.Error("healing does not heal")
	}
}
