package conditions_test

import (
	"math"
	"testing"
	"time"

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

// A link loses, delays and doubles the part that it is said to, and no other link does.
func TestWeather(t *testing.T) {
	a, b := crypto.NodeID{1}, crypto.NodeID{2}
	var table conditions.Table
	weather := conditions.Weather{
		Loss: 0.3, Duplicate: 0.2, Delay: 100 * time.Millisecond, Jitter: 50 * time.Millisecond,
	}
	rules := map[crypto.NodeID]conditions.Weather{a: weather}
	table.Set(conditions.Rules{Weather: rules})
	delete(rules, a)
	const tries = 10_000
	lost, twice, least, most := 0, 0, time.Hour, time.Duration(0)
	for range tries {
		if !table.Passes(a) {
			lost++
		}
		if table.Twice(a) {
			twice++
		}
		d := table.Delay(a)
		least, most = min(least, d), max(most, d)
		if !table.Passes(b) || table.Twice(b) || table.Delay(b) != 0 {
			t.Fatal("another link suffers as well")
		}
	}
	// Ten standard deviations are 460 and 400.
	if math.Abs(float64(lost)-0.3*tries) > 460 || math.Abs(float64(twice)-0.2*tries) > 400 {
		t.Errorf("of %d, %d were lost and %d came twice", tries, lost, twice)
	}
	if least < 50*time.Millisecond || most > 150*time.Millisecond || most-least < 80*time.Millisecond {
		t.Errorf("delays of %v to %v", least, most)
	}
	if !table.Sends(a) {
		t.Error("a bad link is cut")
	}
	table.Set(conditions.Rules{})
	if table.Delay(a) != 0 || table.Twice(a) {
		t.Error("healing does not heal")
	}
}

func TestWeatherRefused(t *testing.T) {
	for _, w := range []conditions.Weather{
		{Loss: -0.1},
		{Loss: 1.1},
		{Duplicate: math.NaN()},
		{Delay: -1},
		{Delay: time.Hour},
		{Delay: time.Second, Jitter: 2 * time.Second},
		{Delay: time.Second, Jitter: -1},
	} {
		if w.Check() == nil {
			t.Errorf("%+v is accepted", w)
		}
	}
	if err := (conditions.Weather{Loss: 1, Delay: time.Second, Jitter: time.Second}).Check(); err != nil {
		t.Error(err)
	}
}
