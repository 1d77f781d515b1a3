package e2e

import (
	"os"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

func TestMain(m *testing.M) { os.Exit(suitetest.Main(m)) }
