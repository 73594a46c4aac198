/** What is remembered of a job outside of its cluster, so that any process goes on with it. */

export const jobKinds = ['run', 'agent'] as const;
export type JobKind = (typeof jobKinds)[number];

/** One job. A subject has one for each start (`fence`) and turn; what comes later is higher. */
export interface JobRef {
  kind: JobKind;
  /** A run's phase or a session, by our own name of it. */
  subject: string;
  fence: number;
  turn: number;
}

/** What a job is told while it runs; each has a number, from 1 on, and is told once. */
export type JobWord =
  /** Stop as soon as nothing breaks by it. */
  | { kind: 'interrupt' }
  /** Its end is not waited for: what it has left by now is wanted. */
  | { kind: 'end' }
  /** The command has ended, although it could not say so. */
  | { kind: 'finish' }
  /** It waits for a person: its time stands still until something is said, or until it goes on by itself. */
  | { kind: 'pause' }
  | { kind: 'go' }
  /** Bytes for its standard input. `id`: the same is told once. A `note` is nothing that it waits for. */
  | { kind: 'say' | 'note'; id: string; text: string };

export type JobPart = 'result' | 'rest';

export interface JobRecord extends JobRef {
  id: string;
  organizationId: string;
  cluster: string;
  /** Allocated once, and nobody else's. */
  namespace: string;
  /** Of the namespace, once everything in it was made for certain. */
  namespaceUid: string | null;
  hasInput: boolean;
  /** The pod that was given the input: only it may run. */
  claimedBy: string | null;
  words: readonly JobWord[];
  parts: readonly JobPart[];
  /** Bytes of what it printed that its courier has brought, and when the last ones came. */
  printed: number;
  printedAt: Date | null;
  /** Of whoever began it. */
  state: Readonly<Record<string, unknown>>;
  createdAt: Date;
  /** Nothing of it is left on the cluster, for certain. */
  removedAt: Date | null;
}

export interface JobLinks {
  input: string;
  words: string;
  output: string;
}

/** Every change is committed when it answers. */
export interface JobRecords {
  /** Of a subject: the one that came last. */
  newest(kind: JobKind, subject: string): Promise<JobRecord | undefined>;
  find(ref: JobRef): Promise<JobRecord | undefined>;
  /** Writes it down before anything of it is made. The same ref again: the one that is there. */
  create(
    ref: JobRef,
    first: {
      cluster: string;
      state: Readonly<Record<string, unknown>>;
      mostOutputBytes: number;
      mostPrintedBytes: number;
    },
  ): Promise<JobRecord>;
  /** @throws ForgewayError FORGEWAY_TOO_LARGE, and whatever the bytes throw */
  putInput(record: JobRecord, bytes: AsyncIterable<Uint8Array>, mostBytes: number): Promise<void>;
  noteBegun(record: JobRecord, namespaceUid: string): Promise<void>;
  /** Lays these over what is kept. */
  keep(record: JobRecord, state: Readonly<Record<string, unknown>>): Promise<void>;
  /** Of a subject: all that were begun, the first one first. */
  all(kind: JobKind, subject: string): Promise<JobRecord[]>;
  /** Adds a word, unless it was said. Answers whether it is new. */
  say(record: JobRecord, word: JobWord): Promise<boolean>;
  /** @throws ForgewayError FORGEWAY_NOT_FOUND when it did not arrive */
  part(record: JobRecord, part: JobPart): AsyncIterable<Buffer>;
  /** What it printed from a byte on, at most so much of it. */
  printed(record: JobRecord, from: number, most: number): Promise<Buffer>;
  /** Of jobs that were removed: what they printed, too. */
  forgetPrinted(record: JobRecord): Promise<void>;
  /** What it brought and left is forgotten, but for what it printed; that there was one is not. */
  noteRemoved(record: JobRecord): Promise<void>;
  /** Jobs of which something may be left on a cluster. */
  live(kind: JobKind): Promise<JobRecord[]>;
  /** Signed addresses, for so long. */
  links(record: JobRecord, base: string, seconds: number): JobLinks;
  /** Whose it is; undefined: there is no such run or session. */
  organizationOf(kind: JobKind, subject: string): Promise<string | undefined>;
}
