package operator

import (
	"bytes"
	"log"

	"github.com/sirupsen/logrus"
)

// logWriter leads what net/http has to say to the node's logger.
type logWriter struct{ log logrus.FieldLogger }

func (w logWriter) logger() *log.Logger { return log.New(w, "", 0) }

// Write implements io.Writer.
func (w logWriter) Write(line []byte) (int, error) {
	w.log.Debug(string(bytes.TrimSpace(line)))
	return len(line), nil
}
