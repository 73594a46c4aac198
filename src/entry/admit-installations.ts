/** Lets waiting installations be admitted: the bridge asks the forge, the inbox tells the apps. */
import type { AdmitPorts } from '../accounts/admit-installation.js';
import { forges } from '../forges/registry.js';
import { insertSynthesised } from '../inbox/synthesised.js';
import type { Store } from '../store/database.js';
import type { LazyBridge } from './lazy-bridge.js';

/** @param o.store as the worker role */
export const admitPorts = ({ store, bridge }: { store: Store; bridge: LazyBridge }): AdmitPorts => ({
  pool: store.pool,
  forges,
  nativeOfApp: async (place, installationId) => (await bridge()).nativeOfApp(place, installationId),
  tell: (client, event) => insertSynthesised(client, [event]),
});
