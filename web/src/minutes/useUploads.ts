import type { Editor } from "@tiptap/core";
import { useCallback, useEffect, useRef, useState } from "react";
import { Problem } from "../core/api/problem.ts";
import { Uploader } from "./files.ts";
import { hold, insertFile, type Place } from "./place.ts";

export interface Upload {
  readonly key: number;
  readonly name: string;
  /** 0 to 1. */
  readonly progress: number;
  readonly problem: Problem | null;
}

export interface Uploads {
  readonly list: readonly Upload[];
  /** Uploads files and puts them where `position` is by then. */
  readonly add: (editor: Editor, files: readonly File[], position: number) => void;
  readonly retry: (key: number) => void;
  readonly remove: (key: number) => void;
}

interface Job {
  file: File;
  editor: Editor;
  place: Place;
  stop: AbortController;
}

/** The uploads of one editor, with what goes wrong with them. They end with the page. */
export function useUploads(code: string): Uploads {
  const [list, setList] = useState<readonly Upload[]>([]);
  const jobs = useRef(new Map<number, Job>());
  const next = useRef(1);

  const change = useCallback((key: number, what: Partial<Upload>) => {
    setList((before) => before.map((upload) => (upload.key === key ? { ...upload, ...what } : upload)));
  }, []);

  const remove = useCallback((key: number) => {
    jobs.current.get(key)?.stop.abort();
    jobs.current.delete(key);
    setList((before) => before.filter((upload) => upload.key !== key));
  }, []);

  const run = useCallback(
    async (key: number, job: Job) => {
      try {
        const kept = await new Uploader(code).upload(job.file, (progress) => change(key, { progress }), job.stop.signal);
        if (job.stop.signal.aborted || job.editor.isDestroyed) return;
        insertFile(job.editor, job.place, kept);
        remove(key);
      } catch (error) {
        if (!job.stop.signal.aborted) change(key, { problem: Problem.from(error) });
      }
    },
    [code, change, remove],
  );

  const add = useCallback(
    (editor: Editor, files: readonly File[], position: number) => {
      for (const file of files) {
        const key = next.current++;
        const job = { file, editor, place: hold(editor, position), stop: new AbortController() };
        jobs.current.set(key, job);
        setList((before) => [...before, { key, name: file.name || "picture.png", progress: 0, problem: null }]);
        void run(key, job);
      }
    },
    [run],
  );

  const retry = useCallback(
    (key: number) => {
      const job = jobs.current.get(key);
      if (job === undefined) return;
      change(key, { problem: null, progress: 0 });
      void run(key, job);
    },
    [run, change],
  );

  useEffect(() => {
    const running = jobs.current;
    return () => {
      for (const job of running.values()) job.stop.abort();
      running.clear();
    };
  }, []);

  return { list, add, retry, remove };
}
