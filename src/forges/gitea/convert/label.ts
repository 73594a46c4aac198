import type { LabelInput } from '../../kit/shapes/inputs.js';
import { nativeLabel, read } from '../schema.js';

/** GitHub's grey, for a label whose colour is none. */
const NO_COLOR = 'ededed';

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function labelInput(native: unknown): LabelInput {
  const label = read('label', nativeLabel, native);
  const color = (label.color ?? '').replace(/^#/, '').toLowerCase();
  return {
    id: label.id,
    name: label.name,
    color: /^[0-9a-f]{6}$/.test(color) ? color : NO_COLOR,
    description: label.description || null,
    isDefault: false,
  };
}

/** The labels of a list, without what is none; an empty list is sent as null by some versions. */
export function labelInputs(native: readonly unknown[] | null | undefined): LabelInput[] {
  return (native ?? []).filter((entry) => nativeLabel.safeParse(entry).success).map(labelInput);
}
