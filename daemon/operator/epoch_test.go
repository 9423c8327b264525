package operator_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"byzd/daemon/operator"
)

// What people need to change the members: who they are, the proofs, and a place to hand a change
// in.
func TestEpochRoutes(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	s, err := operator.Start("127.0.0.1:0", node{}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodGet, "/epoch", "", http.StatusOK, `"epoch": 3`},
		{http.MethodGet, "/epochs", "", http.StatusOK, "epochs"},
		{http.MethodPost, "/change", "change", http.StatusOK, "ok"},
		{http.MethodPost, "/change", "other", http.StatusConflict, "no change"},
		{http.MethodGet, "/change", "", http.StatusMethodNotAllowed, ""},
	} {
		req, err := http.NewRequestWithContext(
			t.Context(), c.method, s.URL()+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		if closed := resp.Body.Close(); err != nil || closed != nil {
			t.Error(err, closed)
		}
		if resp.StatusCode != c.status || !strings.Contains(string(data), c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, resp.StatusCode, data)
		}
	}
}
