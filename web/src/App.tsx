import { lazy, Suspense } from 'react';
import { Shell } from './Shell.tsx';

const Editor = lazy(() => import('./Editor.tsx'));

/** GraphiQL in the shell of all pages. */
export function App() {
  return (
    <Shell page="graphiql" kept="What you wrote is still here.">
      {({ username, signIns, expire }) => (
        <Suspense fallback={<p className="loading">Loading the editor…</p>}>
          <Editor username={username} signIns={signIns} onUnauthenticated={expire} />
        </Suspense>
      )}
    </Shell>
  );
}
