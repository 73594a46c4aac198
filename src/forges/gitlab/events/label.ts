import type { LabelInput } from '../../kit/shapes/inputs.js';
import { labelInput as fromApi } from '../convert/label.js';
import type { NativeLabel } from '../schema.js';

/** Hooks call a label's name its title. */
export const labelInput = ({ id, title, color, description }: NativeLabel): LabelInput =>
  fromApi({ id, name: title, color: color ?? '', description });
