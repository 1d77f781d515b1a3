package api

import (
	"entente.dev/directory-svc/internal/contact"
	pb "entente.dev/proto/gen/entente/directory/v1"
)

var (
	contactDescriptor = (&pb.OrgContact{}).ProtoReflect().Descriptor()
	contactFields     = contactDescriptor.Fields()
)

func contactToProto(c *contact.Contact) *pb.OrgContact {
	out := &pb.OrgContact{Id: c.ID.String(), DisplayName: &c.DisplayName, Mail: &c.Mail, MailNickname: &c.MailNickname, GivenName: c.GivenName, Surname: c.Surname,
		JobTitle: c.JobTitle, Department: c.Department, CompanyName: c.CompanyName}
	for _, p := range c.Proxies() {
		out.ProxyAddresses = append(out.ProxyAddresses, p.String())
	}
	for _, p := range c.Phones {
		m := &pb.Phone{Number: p.Number, Language: p.Language, Region: p.Region}
		if p.Type != "" {
			m.Type = pb.PhoneType_Value(pb.PhoneType_Value_value[p.Type]).Enum()
		}
		out.Phones = append(out.Phones, m)
	}
	for _, a := range c.Addresses {
		out.Addresses = append(out.Addresses, &pb.PhysicalOfficeAddress{Street: a.Street, City: a.City, State: a.State, PostalCode: a.PostalCode,
			CountryOrRegion: a.CountryOrRegion, OfficeLocation: a.OfficeLocation})
	}
	return out
}

// applyContact copies the properties that paths name from a message into c.
func applyContact(c *contact.Contact, in *pb.OrgContact, paths []string) error {
	for _, path := range paths {
		switch path {
		case "display_name":
			c.DisplayName = in.GetDisplayName()
		case "mail":
			c.Mail = in.GetMail()
		case "mail_nickname":
			c.MailNickname = in.GetMailNickname()
		case "given_name":
			c.GivenName = optional(in.GivenName)
		case "surname":
			c.Surname = optional(in.Surname)
		case "job_title":
			c.JobTitle = optional(in.JobTitle)
		case "department":
			c.Department = optional(in.Department)
		case "company_name":
			c.CompanyName = optional(in.CompanyName)
		case "phones":
			c.Phones = nil
			for _, p := range in.Phones {
				phone := contact.Phone{Number: p.Number, Language: p.Language, Region: p.Region}
				if p.Type != nil {
					phone.Type = p.GetType().String()
				}
				c.Phones = append(c.Phones, phone)
			}
		case "addresses":
			c.Addresses = nil
			for _, a := range in.Addresses {
				c.Addresses = append(c.Addresses, contact.Address{Street: a.Street, City: a.City, State: a.State, PostalCode: a.PostalCode,
					CountryOrRegion: a.CountryOrRegion, OfficeLocation: a.OfficeLocation})
			}
		default:
			if err := sameOrReadOnly(contactToProto(c), in, path); err != nil {
				return err
			}
		}
	}
	return nil
}
