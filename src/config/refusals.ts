/** Says in our own words why a value is refused; the fix of the variable says what to write instead. */
import type { z } from 'zod';

/** Continues a sentence that begins with the name of the variable. Never shows the value, which may be a secret. */
export function refusal(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int' ? 'must be a whole number' : `must be a ${issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values
        .map(String)
        .join(', ')
        .replace(/, ([^,]*)$/, ' or $1')}`;
    case 'too_small':
      if (issue.origin === 'string') return 'is too short';
      return issue.inclusive ? `is below ${issue.minimum}` : `must be above ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string' ? 'is too long' : `is above ${issue.maximum}`;
    case 'invalid_format':
      if (issue.format === 'url') return 'is no address that begins with http:// or https://';
      return issue.format === 'starts_with' ? `must start with ${String(issue.prefix)}` : 'has an unexpected form';
    default:
      return 'is invalid';
  }
}
