package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
)

func (h *home) bulk() pb.BulkOperationServiceClient {
	return pb.NewBulkOperationServiceClient(h.gateway)
}

func (h *home) startBulk(ctx context.Context, kind, group, content string) (*pb.BulkOperation, error) {
	stream, err := h.bulk().StartBulkOperation(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&pb.StartBulkOperationRequest{Kind: kind, GroupId: group})
	for err == nil && content != "" {
		n := min(len(content), 64<<10)
		err = stream.Send(&pb.StartBulkOperationRequest{Content: []byte(content[:n])})
		content = content[n:]
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return stream.CloseAndRecv()
}

// finished waits until an operation has ended.
func (h *home) finished(id string) *pb.BulkOperation {
	h.t.Helper()
	deadline := time.After(time.Minute)
	for {
		o, err := h.bulk().GetBulkOperation(h.ctx, &pb.GetBulkOperationRequest{Id: id})
		h.must(err)
		if o.CompletedDateTime != nil {
			return o
		}
		select {
		case <-deadline:
			h.t.Fatalf("not finished: %v", o)
		case <-h.t.Context().Done():
			h.t.Fatal("ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (h *home) results(id string) string {
	h.t.Helper()
	stream, err := h.bulk().GetBulkOperationResults(h.ctx, &pb.GetBulkOperationResultsRequest{Id: id})
	h.must(err)
	var b strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		h.must(err)
		b.Write(m.Data)
	}
}

func (h *home) template(kind string) string {
	h.t.Helper()
	got, err := h.bulk().GetBulkOperationTemplate(h.ctx, &pb.GetBulkOperationTemplateRequest{Kind: kind})
	h.must(err)
	return string(got.Data)
}

func TestAC54_BulkCreate(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	const secret = "Xk4!rm-qp92Zt"
	file := h.template("createUsers") + "Example: Chris Green,chris@contoso.com,x,No\n"
	const rows = 1000
	for i := range rows {
		name, password, block := fmt.Sprintf("u%d@%s", i, h.domain), secret, "No"
		switch i {
		case 10:
			password = "short"
		case 20:
			name = "u1@" + h.domain // taken
		case 30:
			block = "maybe"
		}
		file += fmt.Sprintf("\"User, %d\",%s,%s,%s,,,=cmd()\n", i, name, password, block)
	}
	started, err := h.startBulk(h.ctx, "createUsers", "", file)
	h.must(err)
	if started.TotalCount != rows {
		t.Errorf("%v", started)
	}
	o := h.finished(started.Id)
	if o.Status != pb.BulkOperation_completedWithErrors || o.SuccessCount != rows-3 || o.FailureCount != 3 {
		t.Errorf("%v", o)
	}
	results := h.results(o.Id)
	if strings.Contains(results, secret) || strings.Contains(results, "short") {
		t.Error("a password is in the results")
	}
	if n := strings.Count(results, "Failure"); n != 3 || !strings.Contains(results, "userPrincipalName already exists") || !strings.Contains(results, "'=cmd()") {
		t.Errorf("%d failures in %.600s", n, results)
	}
	names, _, err := h.list(&odatapb.Query{Filter: "displayName eq 'User, 500'"})
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	if !strings.Contains(results, "Request_BadRequest") || strings.Contains(results, "PASSWORD_") || strings.Contains(results, "OBJECT_CONFLICT") {
		t.Errorf("codes in %.600s", results)
	}
	for _, activity := range []string{"started", "finished"} {
		h.wantAudit("Bulk create users - "+activity+" (bulk)", o.Id)
	}
	made, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: "u500@" + h.domain})
	h.must(err)
	h.wantAudit("Add user", made.Id)
	template := h.template("createUsers")
	for _, wrong := range []string{"", "version:v2\n", strings.Replace(file, "Name [displayName] Required", "Name", 1), template + "\"open\n",
		strings.Replace(template, "Job title [jobTitle]", "Job title [job]", 1) + "A,a@" + h.domain + ",x,No\n",
		strings.Replace(template, "Job title [jobTitle]", "Role [jobTitle]", 1) + "A,a@" + h.domain + ",x,No\n",
		strings.Replace(template, "Job title [jobTitle]", "Job title", 1) + "A,a@" + h.domain + ",x,No\n"} {
		_, err := h.startBulk(h.ctx, "createUsers", "", wrong)
		wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	}
	all, err := h.bulk().ListBulkOperations(h.ctx, &pb.ListBulkOperationsRequest{})
	if err != nil || len(all.Value) != 1 {
		t.Errorf("%v, %v", all.GetValue(), err)
	}
	users, err := h.users().CountUsers(h.ctx, &pb.CountUsersRequest{Query: &odatapb.Query{Advanced: true}})
	if err != nil || users.Value != rows-3+1 {
		t.Errorf("a wrong file ran: %v, %v", users, err)
	}
	ann := h.user("ann")
	_, err = h.startBulk(h.person(ann.Id), "createUsers", "", file)
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	extra, err := h.startBulk(h.ctx, "createUsers", "", strings.Replace(strings.TrimSuffix(template, "\n"), "Mobile phone [mobile]", "Mobile phone [mobile],Badge [badge]", 1)+
		"\nBadger,badger@"+h.domain+","+secret+",No,,,,,,,,,,,,,,77\n")
	h.must(err)
	if o := h.finished(extra.Id); o.SuccessCount != 1 {
		t.Errorf("%v\n%s", o, h.results(o.Id))
	}
}

// wantAudit wants a record of an act on an object, under the id of the request
// that all calls of the tests bear.
func (h *home) wantAudit(activity, target string) {
	h.t.Helper()
	events, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{
		Filter: "activityDisplayName eq '" + activity + "' and correlationId eq '11111111-1111-4111-8111-111111111111'", Top: ptr(int32(999))}})
	h.must(err)
	for _, e := range events.Value {
		if len(e.TargetResources) > 0 && e.TargetResources[0].GetId() == target {
			return
		}
	}
	h.t.Errorf("no record of %q for %s", activity, target)
}

func TestBulkEndsWithTheRightOfItsCaller(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann := h.user("ann")
	role, scope := userAdministrator, "/"
	given, err := h.roles().CreateRoleAssignment(h.ctx, &pb.CreateRoleAssignmentRequest{RoleAssignment: &pb.UnifiedRoleAssignment{PrincipalId: &ann.Id, RoleDefinitionId: &role, DirectoryScopeId: &scope}})
	h.must(err)
	file := h.template("createUsers")
	for i := range 400 {
		file += fmt.Sprintf("U %d,u%d@%s,Xk4!rm-qp92Zt,No\n", i, i, h.domain)
	}
	started, err := h.startBulk(h.person(ann.Id), "createUsers", "", file)
	h.must(err)
	_, err = h.roles().DeleteRoleAssignment(h.ctx, &pb.DeleteRoleAssignmentRequest{Id: given.Id})
	h.must(err)
	o := h.finished(started.Id)
	if o.FailureCount == 0 || o.SuccessCount+o.FailureCount != 400 {
		t.Errorf("%v", o)
	}
	rows := strings.Split(strings.TrimSpace(h.results(o.Id)), "\n")
	if last := rows[len(rows)-1]; !strings.Contains(last, "Failure,Authorization_RequestDenied,Insufficient privileges") {
		t.Errorf("the last row is %s", last)
	}
}

func TestBulkOperationsOfOthers(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, ben, admin, team := h.user("ann"), h.user("ben"), h.user("groups"), h.securityGroup("team")
	_, err := h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: team.Id, Reference: reference(ann.Id)})
	h.must(err)
	h.must(h.give(groupsAdministrator, admin.Id, "/"))
	file := h.template("importMembers")
	for range 3000 {
		file += ben.Id + "\n"
	}
	_, err = h.startBulk(h.person(ben.Id), "importMembers", team.Id, file)
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	members, err := h.startBulk(h.ctx, "importMembers", team.Id, file)
	h.must(err)
	users, err := h.startBulk(h.ctx, "deleteUsers", "", h.template("deleteUsers")+"nobody@"+h.domain+"\n")
	h.must(err)
	export, err := h.startBulk(h.ctx, "exportUsers", "", "")
	h.must(err)
	for _, c := range []struct {
		who  string
		sees []string
	}{{ann.Id, []string{members.Id}}, {ben.Id, nil}, {admin.Id, []string{members.Id}}, {h.admin, []string{members.Id, users.Id, export.Id}}} {
		me := h.person(c.who)
		list, err := h.bulk().ListBulkOperations(me, &pb.ListBulkOperationsRequest{})
		h.must(err)
		if len(list.Value) != len(c.sees) {
			t.Errorf("%s lists %v", c.who, list.Value)
		}
		for _, o := range []*pb.BulkOperation{members, users, export} {
			_, err := h.bulk().GetBulkOperation(me, &pb.GetBulkOperationRequest{Id: o.Id})
			stream, results := h.bulk().GetBulkOperationResults(me, &pb.GetBulkOperationResultsRequest{Id: o.Id})
			h.must(results)
			_, results = stream.Recv()
			if slices.Contains(c.sees, o.Id) {
				h.must(err)
				h.must(results)
				continue
			}
			_, cancel := h.bulk().CancelBulkOperation(me, &pb.CancelBulkOperationRequest{Id: o.Id})
			for _, err := range []error{err, results, cancel} {
				wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
			}
		}
	}
	if _, err = h.bulk().CancelBulkOperation(h.person(ann.Id), &pb.CancelBulkOperationRequest{Id: members.Id}); err != nil {
		t.Fatal(err)
	}
	h.wantAudit("Bulk import group members - canceled (bulk)", members.Id)
}

func TestBulkDeleteAndRestore(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann := h.user("ann")
	started, err := h.startBulk(h.ctx, "deleteUsers", "", h.template("deleteUsers")+ann.GetUserPrincipalName()+"\n ben@"+h.domain+"\nnobody@"+h.domain+"\n")
	h.must(err)
	if o := h.finished(started.Id); o.SuccessCount != 1 || o.FailureCount != 2 {
		t.Errorf("%v", o)
	}
	started, err = h.startBulk(h.ctx, "restoreUsers", "", h.template("restoreUsers")+ann.Id+"\n")
	h.must(err)
	if o := h.finished(started.Id); o.Status != pb.BulkOperation_completed {
		t.Errorf("%v\n%s", o, h.results(o.Id))
	}
	export, err := h.startBulk(h.ctx, "exportUsers", "", "")
	h.must(err)
	h.finished(export.Id)
	if csv := h.results(export.Id); !strings.Contains(csv, ann.GetUserPrincipalName()+",ann,") || strings.Count(csv, "\n") != 3 {
		t.Errorf("%s", csv)
	}
}

func TestBulkMembers(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, other := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	ann, ben, team := h.user("ann"), h.user("ben"), h.securityGroup("team")
	file := h.template("importMembers") + ann.Id + "\n" + ben.GetUserPrincipalName() + "\n" + other.user("eve").Id + "\n"
	_, err := h.startBulk(h.ctx, "importMembers", "", file)
	wantReason(t, err, errorspb.Reason_PROPERTY_REQUIRED)
	started, err := h.startBulk(h.ctx, "importMembers", team.Id, file)
	h.must(err)
	if o := h.finished(started.Id); o.SuccessCount != 2 || o.FailureCount != 1 {
		t.Errorf("%v\n%s", o, h.results(o.Id))
	}
	_, err = other.bulk().GetBulkOperation(other.ctx, &pb.GetBulkOperationRequest{Id: started.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	started, err = h.startBulk(h.ctx, "removeMembers", team.Id, h.template("removeMembers")+ann.Id+"\n")
	h.must(err)
	h.finished(started.Id)
	members, err := pb.NewGroupServiceClient(h.gateway).ListMembers(h.ctx, &pb.ListGroupRelationRequest{Id: team.Id})
	if err != nil || len(members.Value) != 1 || members.Value[0].GetUser().GetId() != ben.Id {
		t.Errorf("%v, %v", members.GetValue(), err)
	}
}
