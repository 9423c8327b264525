package testnet_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"byzd/testnet"
)

// Bad weather stays with the links of a node that is started again, until it is healed; what no
// network does is refused.
func TestTestnet_KeepsWeather(t *testing.T) {
	home := up(t)
	refused(t, 2, "must be a part", home, "weather", "--loss", "1.5")
	refused(t, 2, "there is no node 4", home, "weather", "--loss", "0.5", "--link", "0>4")
	must(t, home, "weather", "--loss", "0.5", "--delay", "20ms", "--jitter", "20ms",
		"--link", "1>0", "--link", "1>2")
	suffers := func(status testnet.Status) bool {
		text := page(t, status.Nodes[1].Operator+"/metrics")
		return strings.Contains(text, "conditions_delay") &&
			!strings.Contains(text, "{what=\"conditions_delay\"} 0\n") &&
			!strings.Contains(text, "{what=\"conditions_drop\"} 0\n")
	}
	eventually(t, home, "frames of node 1 suffer", suffers)
	must(t, home, "restart", "1")
	eventually(t, home, "they do again", suffers)
	want := []testnet.Weather{
		{To: 0, Loss: 0.5, DelayMS: 20, JitterMS: 20}, {To: 2, Loss: 0.5, DelayMS: 20, JitterMS: 20},
	}
	if st := status(t, home); !slices.Equal(st.Nodes[1].Weather, want) || len(st.Nodes[0].Weather) > 0 {
		t.Errorf("testnet.json says %+v", st.Nodes)
	}
	must(t, home, "heal")
	if st := status(t, home); len(st.Nodes[1].Weather) > 0 {
		t.Errorf("after the heal: %+v", st.Nodes[1].Weather)
	}
	eventually(t, home, "all are ready", allReady)
}

// page reads what a node serves, empty if it does not answer.
func page(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(data)
}
