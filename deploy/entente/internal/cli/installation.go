package cli

import (
	"crypto/ecdsa"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"

	"entente.dev/deploy/entente/internal/keys"
	"entente.dev/deploy/entente/internal/operator"
	"entente.dev/deploy/entente/internal/state"
)

// installation is which suite an operator's command is for, by default the
// one of the data folder.
type installation struct {
	dataDir string
	url     string
	caFile  string
	keyFile string
}

// dataDirFlag names the folder of a suite, by the flag or as `entente up` takes
// it from the environment.
func dataDirFlag(fs *flag.FlagSet, to *string) {
	fs.StringVar(to, "data-dir", os.Getenv("ENTENTE_DATA_DIR"), "data folder of the suite (default: the one 'entente up' uses)")
}

func (i *installation) flags(fs *flag.FlagSet) {
	dataDirFlag(fs, &i.dataDir)
	fs.StringVar(&i.keyFile, "operator-key", "", "file of the operator's private key (default: the data folder's)")
}

func (i *installation) remoteFlags(fs *flag.FlagSet) {
	i.flags(fs)
	fs.StringVar(&i.url, "url", "", "origin of the suite, such as https://graph.example (default: the data folder's suite)")
	fs.StringVar(&i.caFile, "ca-file", "", "certificate authority to trust with --url (default: the system's)")
}

func (i *installation) root() (string, error) {
	if i.dataDir != "" {
		return i.dataDir, nil
	}
	return state.DefaultRoot()
}

func (i *installation) operatorKey() (*ecdsa.PrivateKey, error) {
	if i.keyFile != "" {
		return keys.ReadOperatorKey(i.keyFile)
	}
	root, err := i.root()
	if err != nil {
		return nil, err
	}
	key, err := keys.ReadOperatorKey(keys.OperatorKeyFile(state.KeysIn(root)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no data folder of a suite (start one with `entente up`), and no --operator-key was given", root)
	}
	return key, err
}

func (i *installation) client() (*operator.Client, error) {
	key, err := i.operatorKey()
	if err != nil {
		return nil, err
	}
	if i.url != "" {
		return operator.New(i.url, i.caFile, key)
	}
	root, err := i.root()
	if err != nil {
		return nil, err
	}
	c, err := state.ReadConnection(root)
	if err != nil {
		return nil, err
	}
	return operator.New(c.GraphURL, c.CAFile, key)
}
