/** Where the addresses in GitHub-shaped objects point. */
export interface ShapeBase {
  /** Base of GitHub's API as apps see it, without a slash at the end: `https://gitlab.example.com/api/v3`. */
  api: string;
  /** Base of the pages for people, without a slash at the end. */
  web: string;
}
