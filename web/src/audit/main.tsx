import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Shell } from '../Shell.tsx';
import '../style.css';
import '../page.css';
import './audit.css';
import './filter.css';
import './picture.css';
import './table.css';
import './entry.css';
import './states.css';
import './live.css';
import './dialogs.css';
import './narrow.css';
import { Page } from './Page.tsx';
import { client } from './asking.ts';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Shell page="audit" kept="The page is as you left it.">
        {(owner) => <Page {...owner} />}
      </Shell>
    </QueryClientProvider>
  </StrictMode>,
);
