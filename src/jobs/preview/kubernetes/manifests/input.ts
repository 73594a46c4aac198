/** What the builder is given. It asks nobody for anything: the same input gives the same manifests. */
import type { RegistryCredentials } from '../../../../effects/kubernetes/registries.js';
import type { PreviewIdentity } from '../../name.js';
import type { PreviewConfig } from '../../preview-config.js';
import type { ClusterSettings } from './settings.js';

export type { RegistryCredentials };

/** What holds for a preview whatever commit it shows. */
export interface PreviewFrame {
  /** Allocated: the namespace, and the first label of its host. */
  name: string;
  identity: PreviewIdentity;
  /** False: strangers' code that somebody approved. */
  trusted: boolean;
  /** Then: the one commit that it is for. */
  approved?: string;
  /** Only certain people may see it: whoever does not ask them may not lead visitors in. */
  private: boolean;
  config: PreviewConfig;
  settings: ClusterSettings;
}

/** One commit of it. */
export interface PlaceInput {
  frame: PreviewFrame;
  /** Unique; see `Place`. */
  placeId: string;
  sha: string;
  /** Registries that its images are pulled from: host to credential. */
  pull: RegistryCredentials;
  /** Preview secrets by name. Given to nobody when the frame is not trusted, whatever is in here. */
  secrets: Readonly<Record<string, string>>;
  /** Made up once per preview, and kept. */
  databasePassword: string;
}

export interface RunInput extends PlaceInput {
  /** Service to image, by digest where it was built here; see `imageName` and `builtDigest`. */
  images: Readonly<Record<string, string>>;
  /** Sleeping: everything stands at no replicas. */
  asleep: boolean;
}

export interface BuildInput extends PlaceInput {
  source: {
    /** http or https, without a credential in it. */
    url: string;
    /** Full ref under which the forge offers the commit when it cannot be asked for by itself. */
    ref: string;
    credential?: { username: string; password: string };
  };
  /** Registry host to credential: to push, and for base images. */
  push: RegistryCredentials;
  /** How the client proves itself to the BuildKit daemon, in PEM. */
  buildkitTls?: { ca: string; certificate: string; key: string };
}
