/** What Jest hands over of a test file, as far as its order goes by it. */
export interface TestFile {
  path: string;
  duration?: number;
  context: {
    config: { rootDir: string; cacheDirectory: string; cache: boolean; id: string; haste: object };
    hasteFS: { getSize(path: string): number | null };
  };
}

/** What Jest keeps of a run. */
export interface RunResults {
  testResults: { testFilePath: string; perfStats: { runtime: number }; numFailingTests: number }[];
}

/** Seconds that the slowest test files took, by their path in the repository. */
export declare const SLOW: Readonly<Record<string, number>>;
export default class LongestFirst {
  constructor(options: object);
  sort(tests: TestFile[]): TestFile[];
  cacheResults(tests: TestFile[], results: RunResults): void;
}
