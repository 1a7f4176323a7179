import { useEffect, useId, useRef, type ReactNode } from 'react';

interface Props {
  title: string;
  children: ReactNode;
  /** Called on Escape. Without it the dialog cannot be dismissed. */
  onClose?: () => void;
  /** More room than a form needs. */
  wide?: boolean;
}

/**
 * A modal dialog over everything else, open as long as it is rendered. What lies below keeps its state but cannot be
 * reached. The element marked data-autofocus, or else the first control, has the focus.
 */
export function Dialog({ title, children, onClose, wide }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();

  useEffect(() => {
    const element = dialog.current!;
    element.showModal();
    element.querySelector<HTMLElement>('[data-autofocus]')?.focus();
    return () => element.close();
  }, []);

  return (
    <dialog
      ref={dialog}
      className={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      // Browsers close a dialog on the second Escape whatever the first was told.
      onClose={() => dialog.current?.showModal()}
    >
      <h1 id={heading}>{title}</h1>
      {children}
    </dialog>
  );
}
