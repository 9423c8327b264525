package nemesis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"byzd/testnet"
)

// weatherFaults make links bad, by the testnet's conditions: whoever sends loses, delays and
// doubles what it sends. Clients reach all nodes as before.
func weatherFaults() []*Fault {
	bad := func(
		name, text string, hits target, slow bool, w testnet.Weather, links func(*strike) [][2]int,
	) *Fault {
		return &Fault{
			Name: name, Text: text, hits: hits, Slows: slow, undo: clearUp,
			do: func(ctx context.Context, s *strike) error { return s.worsen(ctx, w, links) },
		}
	}
	everywhere := func(*strike) [][2]int { return nil }
	return []*Fault{
		bad("slow-one", "what a node sends and hears takes 100 ± 50 ms", one, false,
			testnet.Weather{DelayMS: 100, JitterMS: 50}, isolated),
		bad("slow-primary", "what the primary sends and hears takes 100 ± 50 ms", primary, true,
			testnet.Weather{DelayMS: 100, JitterMS: 50}, isolated),
		bad("slow-all", "everything between nodes takes 100 ± 50 ms", nobody, true,
			testnet.Weather{DelayMS: 100, JitterMS: 50}, everywhere),
		bad("lossy-one", "30 % of what a node sends and should hear is lost", one, false,
			testnet.Weather{Loss: 0.3}, isolated),
		bad("lossy-all", "10 % of everything between nodes is lost", nobody, true,
			testnet.Weather{Loss: 0.1}, everywhere),
		bad("bad-weather", "everything takes 100 ± 50 ms, 10 % is lost, 20 % arrives twice",
			nobody, true,
			testnet.Weather{Loss: 0.1, Duplicate: 0.2, DelayMS: 100, JitterMS: 50}, everywhere),
	}
}

// suffers are the counters that must rise under some weather.
func suffers(w testnet.Weather) []string {
	var list []string
	if w.Loss > 0 {
		list = append(list, "drop")
	}
	if w.DelayMS > 0 {
		list = append(list, "delay")
	}
	if w.Duplicate > 0 {
		list = append(list, "duplicate")
	}
	return list
}

// worsen makes links bad, all if none is named, and waits until frames have suffered in every way.
func (s *strike) worsen(
	ctx context.Context, w testnet.Weather, choose func(*strike) [][2]int,
) error {
	s.before = s.world.keptBack(ctx)
	before := s.world.conditions(ctx)
	var links []testnet.Link
	var words []string
	for _, l := range choose(s) {
		links = append(links, testnet.Link{From: l[0], To: l[1]})
		words = append(words, strconv.Itoa(l[0])+">"+strconv.Itoa(l[1]))
	}
	if err := s.world.net.SetWeather(ctx, w, links...); err != nil {
		return err
	}
	s.event.What = "all links"
	if len(words) > 0 {
		s.event.What = "links " + strings.Join(words, " ")
	}
	var said []string
	err := s.world.until(ctx, func(ctx context.Context) string {
		now := s.world.conditions(ctx)
		said = nil
		for _, what := range suffers(w) {
			if now[what] <= before[what] {
				return fmt.Sprintf("conditions_%s has not risen", what)
			}
			said = append(said, fmt.Sprintf("%s +%d", what, now[what]-before[what]))
		}
		return ""
	})
	if err == nil {
		s.event.done("all running nodes acknowledged; at once: %s", strings.Join(said, ", "))
	}
	return err
}

// clearUp makes the links good again, and says how many frames suffered until then.
func clearUp(ctx context.Context, s *strike) error {
	if s.event.Done {
		s.event.How += fmt.Sprintf("; %d in the end", s.world.keptBack(ctx)-s.before)
	}
	return s.world.net.Heal(ctx)
}
