package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/sirupsen/logrus"
	logrusslog "github.com/sirupsen/logrus/hooks/slog"
	"google.golang.org/grpc/grpclog"

	"byzd/transport"
)

// newLogger makes the one logger of this process: byzd's lines, memberlist's, libp2p's and gRPC's
// go through it, and nothing else writes to standard error.
func newLogger(w io.Writer, level, format string) (*logrus.Logger, error) {
	log := logrus.New()
	log.SetOutput(w)
	switch level {
	case "debug", "info", "warn", "error":
	case "":
		level = "info"
	default:
		return nil, usagef("use debug, info, warn or error", "log level %q is unknown", level)
	}
	parsed, err := logrus.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	log.SetLevel(parsed)
	switch format {
	case "text", "":
		log.SetFormatter(&logrus.TextFormatter{
			FullTimestamp: true, TimestampFormat: logTime,
			DisableColors: os.Getenv("NO_COLOR") != "",
		})
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: logTime})
	default:
		return nil, usagef("use text or json", "log format %q is unknown", format)
	}
	return log, nil
}

const logTime = "2006-01-02T15:04:05.000Z07:00"

// captureLibraries leads what the libraries have to say to the logger. It holds for the process.
func captureLibraries(log *logrus.Logger) {
	handler := logrusslog.NewHandler(log, &logrusslog.HandlerOptions{
		LevelMapper: func(l slog.Level) logrus.Level {
			switch {
			case l >= slog.LevelError:
				return logrus.WarnLevel // an error of theirs is a peer's, not this node's
			case l >= slog.LevelWarn:
				return logrus.InfoLevel
			default:
				return logrus.DebugLevel // libp2p tells of every connection
			}
		},
	})
	transport.RedirectLibp2pLogs(handler)
	slog.SetDefault(slog.New(handler))
	entry := log.WithField("room", "grpc")
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(
		io.Discard, lines{entry.Debug}, lines{entry.Warn}))
}

// lines is a writer that makes a log line of each write.
type lines struct{ log func(args ...any) }

// Write implements io.Writer.
func (l lines) Write(text []byte) (int, error) {
	l.log(strings.TrimSpace(string(text)))
	return len(text), nil
}
