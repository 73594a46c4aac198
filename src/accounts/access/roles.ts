/** Roles of people in an organization, from least to most. A role includes all before it. */
export const roles = ['viewer', 'member', 'maintainer', 'admin', 'owner'] as const;
export type Role = (typeof roles)[number];

export const isRole = (value: unknown): value is Role => (roles as readonly unknown[]).includes(value);

/** True when `role` is `least` or more. */
export const atLeast = (role: Role, least: Role): boolean => roles.indexOf(role) >= roles.indexOf(least);
