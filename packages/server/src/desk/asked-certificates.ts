/**
 * A client certificate is asked for, and neither demanded nor verified here: that its key was used TLS proves, and what it is, and whether its
 * standing allows what is asked, the authority judges by its own record. No name of an authority is sent with the question, so that a client
 * offers whatever it has; and nothing is concluded from `authorized` (FIELD-NOTES B2).
 */
export const asked = { requestCert: true, rejectUnauthorized: false, ca: [] as string[] };
