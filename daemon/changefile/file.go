package changefile

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"byzd/crypto"
	"byzd/daemon/genesis"
	"byzd/pbft/message"
)

const head = "# A change of the members of byzd cluster %s. It ends epoch %d; " +
	"then there are %d.\n" +
	"# Administrators sign it: byzd member approve FILE --key KEYFILE. Signed by %d so far.\n#\n"

// lineBytes is what one line of base64 holds.
const lineBytes = 57

// Encode returns the file's content.
func Encode(cfg *message.Config, rc *message.Reconfiguration) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, head, cfg.Cluster.Short(), rc.Change.Epoch, len(rc.Change.Members),
		len(rc.Approvals))
	for i := range rc.Change.Members {
		m := &rc.Change.Members[i]
		fmt.Fprintf(&b, "# %3d  %s  %s\n", i, m.Name, m.Node)
	}
	b.WriteString("#\n")
	for _, p := range genesis.ParamsOf(&rc.Change.Params) {
		fmt.Fprintf(&b, "# %s = %d\n", p.Name, p.Value)
	}
	data := slices.Concat(cfg.Cluster[:], message.EncodeReconfiguration(rc))
	for len(data) > 0 {
		n := min(lineBytes, len(data))
		b.WriteString(base64.StdEncoding.EncodeToString(data[:n]) + "\n")
		data = data[n:]
	}
	return []byte(b.String())
}

// Decode reads a file that [Encode] wrote for the cluster of a configuration, of whichever epoch.
// Nothing is verified but the form.
func Decode(cfg *message.Config, file []byte) (*message.Reconfiguration, error) {
	var data []byte
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		part, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("it is not a change of the members: %w", err)
		}
		data = append(data, part...)
	}
	var cluster crypto.Digest
	if copy(cluster[:], data) < len(cluster) {
		return nil, fmt.Errorf("it is not a change of the members: it has %d bytes", len(data))
	}
	if cluster != cfg.Cluster {
		return nil, fmt.Errorf("it is a change of cluster %s, the genesis of cluster %s",
			cluster.Short(), cfg.Cluster.Short())
	}
	rc, err := message.DecodeReconfiguration(data[len(cluster):])
	if err != nil {
		return nil, fmt.Errorf("it is not a change of the members: %w", err)
	}
	return rc, nil
}
