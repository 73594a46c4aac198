/** What people may do on a shelf, in GitHub's words. */
const PERMISSIONS: Readonly<Record<string, string>> = { reader: 'read', writer: 'write', keeper: 'admin' };

export const permissionOf = (role: unknown): string => PERMISSIONS[String(role)] ?? 'none';
