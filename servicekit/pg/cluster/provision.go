package cluster

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Service is how one service reaches its schema.
type Service struct {
	Schema    string
	OwnerDSN  string // for migrations
	DSN       string // for serving: owns nothing, bound by row-level security
	OwnerRole string
	Role      string
}

// EnsureDatabase makes a database of the private server.
func (c *Cluster) EnsureDatabase(ctx context.Context, name string) error {
	return EnsureDatabase(ctx, c.AdminDSN("postgres"), name)
}

// Provide makes the roles and the schema of a service in a database of the
// private server. The passwords derive from the administrator's, so that they
// are the same at every start.
func (c *Cluster) Provide(ctx context.Context, database, schema string) (Service, error) {
	return Provide(ctx, c.AdminDSN(database), schema, []byte(c.password))
}

// EnsureDatabase makes a database unless it is there. adminDSN logs in to
// another database of the server with a role that may create some.
func EnsureDatabase(ctx context.Context, adminDSN, name string) error {
	return withAdmin(ctx, adminDSN, func(conn *pgx.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&there); err != nil || there {
			return err
		}
		_, err := conn.Exec(ctx, "create database "+quote(name))
		return err
	})
}

// RolePrefix begins the names of the roles unless another one is chosen.
const RolePrefix = "entente"

// Provide makes, unless they are there, the roles `entente_{schema}_owner` and
// `entente_{schema}` and the schema itself in the database of adminDSN, whose
// role must be allowed to. key decides the passwords.
func Provide(ctx context.Context, adminDSN, schema string, key []byte) (Service, error) {
	return ProvideAs(ctx, adminDSN, RolePrefix, schema, key)
}

// ProvideAs is Provide with another beginning of the roles' names: roles
// belong to the whole server, so two installations on one need two.
func ProvideAs(ctx context.Context, adminDSN, rolePrefix, schema string, key []byte) (Service, error) {
	s := Service{Schema: schema, OwnerRole: rolePrefix + "_" + schema + "_owner", Role: rolePrefix + "_" + schema}
	err := withAdmin(ctx, adminDSN, func(conn *pgx.Conn) error {
		// Roles belong to the whole server: two starters must not collide.
		if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended('entente roles', 0))"); err != nil {
			return err
		}
		for _, role := range []string{s.OwnerRole, s.Role} {
			if err := ensureRole(ctx, conn, role, passwordOf(key, role)); err != nil {
				return fmt.Errorf("role %s: %w", role, err)
			}
		}
		for _, stmt := range []string{
			"grant " + quote(s.OwnerRole) + " to current_user", // else a plain administrator cannot give the schema away
			"create schema if not exists " + quote(schema) + " authorization " + quote(s.OwnerRole),
			"revoke all on schema public from public",
		} {
			if _, err := conn.Exec(ctx, stmt); err != nil {
				return fmt.Errorf("%s: %w", stmt, err)
			}
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("provide schema %s: %w", schema, err)
	}
	if s.OwnerDSN, err = WithLogin(adminDSN, s.OwnerRole, passwordOf(key, s.OwnerRole)); err != nil {
		return s, err
	}
	s.DSN, err = WithLogin(adminDSN, s.Role, passwordOf(key, s.Role))
	return s, err
}

func ensureRole(ctx context.Context, conn *pgx.Conn, role, password string) error {
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", role).Scan(&there); err != nil {
		return err
	}
	verb := "create role "
	if there {
		verb = "alter role "
	}
	// The password is hex of our own making: it cannot end the literal.
	_, err := conn.Exec(ctx, verb+quote(role)+" login nosuperuser nobypassrls nocreatedb nocreaterole password '"+password+"'")
	return err
}

// WithLogin is a connection string, URL or keywords, with another role.
func WithLogin(dsn, role, password string) (string, error) {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		u, err := url.Parse(dsn)
		if err != nil {
			return "", fmt.Errorf("connection string is not a URL")
		}
		u.User = url.UserPassword(role, password)
		q := u.Query()
		q.Del("user")
		q.Del("password")
		u.RawQuery = q.Encode()
		return u.String(), nil
	}
	return dsn + " user='" + role + "' password='" + password + "'", nil
}

func withAdmin(ctx context.Context, dsn string, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect as administrator: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return fn(conn)
}

func passwordOf(key []byte, role string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(role))
	return hex.EncodeToString(mac.Sum(nil))[:40]
}

func randomPassword() string { return rand.Text() }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
