package store

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/object"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// pagesRead is how many pages of the database the plan of an executed query
// says it read.
func pagesRead(t *testing.T, plan string) int {
	t.Helper()
	pages := 0
	if _, buffers, ok := strings.Cut(plan, "Buffers: shared "); ok {
		for field := range strings.FieldsSeq(strings.SplitN(buffers, "\n", 2)[0]) {
			_, n, _ := strings.Cut(field, "=")
			read, err := strconv.Atoi(n)
			if err != nil {
				t.Fatal(err)
			}
			pages += read
		}
	}
	return pages
}

func explainInOrder(t *testing.T, s *Store, id tenant.ID, q odata.SQL) (plan string) {
	t.Helper()
	err := s.Read(t.Context(), id, func(tx *Tx) error {
		if _, err := tx.Pgx().Exec(tx.Context(), inOrder); err != nil {
			return err
		}
		rows, err := tx.Pgx().Query(tx.Context(), "explain (analyze, buffers) "+q.Numbered(1), q.Args...)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan = strings.Join(lines, "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestActivityPlansReadFewPages runs what lists sign-ins, follows changes and
// weighs membership rules among many rows: what is read follows the answer,
// not the size of the tenant, also while the statistics know nothing of it.
func TestActivityPlansReadFewPages(t *testing.T) {
	t.Parallel()
	s, id := crowd(t, volume)
	group := uuid.New()
	err := s.Write(t.Context(), id, func(tx *Tx) error {
		tx.Queue(`insert into sign_ins (tenant_id, id, event_id, created_at, user_id, user_principal_name, user_principal_name_key, user_display_name, user_display_name_key,
				correlation_id, is_interactive, error_code)
			select $1, gen_random_uuid(), 'e' || n, now() - n * interval '1 second', u.id, u.user_principal_name, u.user_principal_name_key, u.display_name, u.display_name_key,
				'c' || n, true, 0 from (select *, row_number() over (order by user_principal_name_key) as n from users where tenant_id = $1) u`, [16]byte(id))
		tx.Queue("insert into sign_in_activity (tenant_id, user_id, interactive_at) select $1, id, now() - (row_number() over ()) * interval '1 minute' from users where tenant_id = $1", [16]byte(id))
		tx.Queue(`insert into groups (tenant_id, id, display_name, mail_nickname, unified, dynamic, mail_enabled, security_enabled, membership_rule, created_at)
			values ($1, $2, 'g', 'g', false, true, false, true, 'user.objectId -ne null', now())`, [16]byte(id), [16]byte(group))
		tx.Queue("select set_config('app.evaluator', 'on', true)")
		tx.Queue("insert into group_members (tenant_id, group_id, member_id, member_type, added_at) select $1, $2, id, 1, now() from users where tenant_id = $1", [16]byte(id), [16]byte(group))
		tx.Queue("insert into change_log (tenant_id, object_type, object_id, kind, changed_at) select $1, 1, id, 2, now() from users where tenant_id = $1", [16]byte(id))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var users []uuid.UUID
	if err := s.Read(t.Context(), id, func(tx *Tx) (err error) { users, err = tx.LiveAfter(object.User, uuid.Nil, 100); return err }); err != nil {
		t.Fatal(err)
	}
	check := func(name, query string, most int, args ...string) {
		t.Helper()
		pairs := []string{"$1", "'" + id.String() + "'::uuid"}
		for i, a := range args {
			pairs = append(pairs, "$"+strconv.Itoa(i+2), a)
		}
		plan := explainInOrder(t, s, id, odata.SQL{Text: strings.NewReplacer(pairs...).Replace(query)})
		if n := pagesRead(t, plan); n > most || strings.Contains(plan, "Seq Scan on") {
			t.Errorf("%s: %d pages, at most %d\n%.4000s", name, n, most, plan)
		}
	}
	texts := make([]string, len(users))
	for i, u := range users {
		texts[i] = u.String()
	}
	list := "'{" + strings.Join(texts, ",") + "}'"
	check("rules of users", ruleLinks, 12*len(users), list)
	check("groups of users", groupsHolding, 12*len(users), list, "'{"+group.String()+"}'::uuid[]")
	check("activities", activitiesOf, 6*len(users), list)
	check("a page of the full state", liveAfter(object.User), 6*len(users), "'80000000-0000-4000-8000-000000000000'", "100")
	check("a page of the feed", feedQuery+" order by change_log.xid, change_log.seq limit $4", 60, "'0'", "0", "100")
	check("who signs in", loginUser, 20, "'u77@crowd.onentente.example'", "'crowd.onentente.example'")
	check("who nobody is", loginUser, 20, "'nobody'", "'crowd.onentente.example'")

	message := (&pb.SignIn{}).ProtoReflect().Descriptor()
	for _, filter := range []string{"", "userId eq '" + users[7].String() + "'", "correlationId eq 'c77'", "userPrincipalName eq 'u77@crowd.onentente.example'",
		"createdDateTime ge " + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "createdDateTime le " + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + " and status/errorCode eq 0"} {
		e, err := odata.ParseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		where, err := odata.Compile(message, SignInColumns, e, false)
		if err != nil {
			t.Fatal(err)
		}
		q, _ := signIns.statements(id, Listing{Where: []odata.SQL{where}, Order: SignInOrder(true), Limit: 100})
		plan := explainInOrder(t, s, id, q)
		if n := pagesRead(t, plan); n > 400 || strings.Contains(plan, "Seq Scan on") {
			t.Errorf("sign-ins where %s: %d pages\n%.4000s", filter, n, plan)
		}
	}

	// Users by their latest sign-in go by the index on its time where few match.
	ago := func(minutes int) string {
		return time.Now().Add(-time.Duration(minutes) * time.Minute).UTC().Format(time.RFC3339)
	}
	for filter, most := range map[string]int{"ge " + ago(50): 1500, "le " + ago(volume-50): 1500, "ge " + ago(-60): 60} {
		e, err := odata.ParseFilter("signInActivity/lastSignInDateTime " + filter)
		if err != nil {
			t.Fatal(err)
		}
		where, err := odata.Compile(userMessage, ActivityColumns, e, false)
		if err != nil {
			t.Fatal(err)
		}
		l := listing(t, "", "")
		l.Where = []odata.SQL{ActiveUsers(where)}
		q, _ := userProperties(nil).source(liveUsers).statements(id, l)
		plan := explainBy(t, s, id, "explain (analyze, buffers) ", q)
		if n := pagesRead(t, plan); n > most || strings.Contains(plan, "Seq Scan on") || strings.Contains(plan, "SubPlan") || !strings.Contains(plan, "sign_in_activity_interactive") {
			t.Errorf("users active %s: %d pages\n%.4000s", filter, n, plan)
		}
	}
}
