import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { client } from '../audit/asking.ts';
import { Shell } from '../Shell.tsx';
import '../style.css';
import '../page.css';
import './admin.css';
import './form.css';
import { Admin } from './Admin.tsx';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Shell page="admin" kept="The page is as you left it.">
        {(owner) => <Admin {...owner} />}
      </Shell>
    </QueryClientProvider>
  </StrictMode>,
);
