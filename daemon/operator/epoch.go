package operator

import (
	"io"
	"net/http"
)

// Epoch is the configuration that a node goes by, and the change that is announced.
type Epoch struct {
	Epoch     uint64        `json:"epoch"`
	Base      uint64        `json:"base"` // the last batch of the epoch before
	Config    string        `json:"config"`
	Liars     int           `json:"f"`
	Members   []EpochMember `json:"members"`
	Admins    int           `json:"admins"`
	Threshold int           `json:"threshold"`
	Pending   *NextEpoch    `json:"pending,omitempty"`
}

// NextEpoch is a change that was announced and is not made yet.
type NextEpoch struct {
	Liars     int           `json:"f"`
	Approvals int           `json:"approvals"`
	Members   []EpochMember `json:"members"`
}

// EpochMember is a member of one of them.
type EpochMember struct {
	Name  string `json:"name"`
	ID    string `json:"id"`
	Key   []byte `json:"key"`
	New   bool   `json:"new,omitempty"`   // it is no member yet, or its key is replaced
	Ready bool   `json:"ready,omitempty"` // it says that it is ready
}

// epochRoutes are what people need to change the members.
func epochRoutes(mux *http.ServeMux, node Node) {
	mux.HandleFunc("GET /epoch", func(w http.ResponseWriter, r *http.Request) {
		e, err := node.Epoch(r.Context())
		if err != nil {
			http.Error(w, "the node does not answer: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, e)
	})
	mux.HandleFunc("GET /epochs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(node.Epochs())
	})
	mux.HandleFunc("POST /change", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4*bodyBytesMax))
		if err != nil {
			http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
			return
		}
		if err := node.Change(r.Context(), data); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
}
