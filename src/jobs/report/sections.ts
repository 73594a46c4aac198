/** Lines of the sticky comment as they come out of the database, where they are JSON. */
import type { ReportRow } from './desired.js';

function detailsOf(value: unknown): ReportRow['details'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { summary, text: body, url } = value as Record<string, unknown>;
  if (typeof body !== 'string' || body === '') return undefined;
  return { summary: text(summary), text: body, ...(typeof url === 'string' ? { url } : {}) };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function rowOf(value: unknown): ReportRow | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const row = value as Partial<Record<keyof ReportRow, unknown>>;
  const updatedAt = new Date(text(row.updatedAt));
  return {
    component: text(row.component),
    icon: text(row.icon),
    status: text(row.status),
    links: (Array.isArray(row.links) ? row.links : []).map((link: { label?: unknown; url?: unknown } | null) => ({
      label: text(link?.label),
      url: text(link?.url),
    })),
    ...(typeof row.sha === 'string' ? { sha: row.sha } : {}),
    updatedAt: Number.isNaN(updatedAt.getTime()) ? new Date(0) : updatedAt,
    ...(typeof row.note === 'string' ? { note: row.note } : {}),
    ...(typeof row.hint === 'string' ? { hint: row.hint } : {}),
    ...(detailsOf(row.details) === undefined ? {} : { details: detailsOf(row.details) }),
    skipped: row.skipped === true,
  };
}

/** In the order of their topics, so that an edit does not shuffle the table. */
export function rowsOf(sections: unknown): ReportRow[] {
  if (typeof sections !== 'object' || sections === null) return [];
  return Object.entries(sections)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([, value]) => rowOf(value) ?? []);
}
