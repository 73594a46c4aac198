/** What a forge with Apps says of an installation when it is asked, in the words of the events that tell of it. */
import type { JsonObject } from './forge.js';
import type { NativeClient } from './kit/native-client.js';

export interface AskedInstallation {
  account: { id: bigint; login: string };
  /** The object `installation` of an event. */
  payload: JsonObject;
}

export interface AppInstallations {
  /**
   * Undefined when there is none of that number (any more). `native` speaks as the App.
   * @throws RouteFailure
   */
  find(native: NativeClient, installationId: bigint): Promise<AskedInstallation | undefined>;
  /** The repositories that it reaches, as `installation.created` lists them. `native` speaks as the installation. @throws RouteFailure */
  repositories(native: NativeClient, most: number): Promise<readonly JsonObject[]>;
}
