/**
 * Addresses that stand in GitHub's payloads because its schema asks for them, and that a forge has no route for, by the
 * forge's id. An app that follows one gets a 501 that names route and forge. An entry that is not needed any more fails. There
 * is none now: a new one needs a reason that no answer could be honest.
 */
type Unserved = Readonly<Record<string, string>>;

export const UNSERVED: Readonly<Record<string, Unserved>> = {};
