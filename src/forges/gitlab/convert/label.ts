import { z } from 'zod';
import type { LabelInput } from '../../kit/shapes/inputs.js';
import { id } from './read.js';

export const nativeLabel = z.looseObject({
  id,
  name: z.string(),
  color: z.string(),
  description: z.string().nullish(),
  is_project_label: z.boolean().optional(),
});
export type NativeLabel = z.output<typeof nativeLabel>;

/** Some instances still hold a named colour from before GitLab turned them into hex. */
const hex = (color: string): string => /^#?([0-9a-f]{6})$/i.exec(color)?.[1]?.toLowerCase() ?? '428bca';

export const labelInput = (label: NativeLabel): LabelInput => ({
  id: label.id,
  name: label.name,
  color: hex(label.color),
  description: label.description || null,
});

/** GitLab gives names only where one object is read; `known` are the project's labels. */
export function labelInputs(labels: readonly (string | NativeLabel)[], known: readonly NativeLabel[]): LabelInput[] {
  return labels.map((label) => {
    if (typeof label !== 'string') return labelInput(label);
    const found = known.find(({ name }) => name === label);
    return found ? labelInput(found) : { id: 0, name: label, color: hex(''), description: null };
  });
}
