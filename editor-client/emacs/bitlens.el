;;; bitlens.el --- The bits of PyTorch models at their lines, through eglot  -*- lexical-binding: t -*-

;; Load this file from your init file: (load "/path/to/bitlens.el"). Emacs 28 with eglot 1.9, or Emacs 29 and newer.

;;; Code:

(require 'eglot)
(require 'python)

(defvar bitlens-command '("bitlens" "server")
  "The language server's command line.")

(defvar bitlens-trusted t
  "Whether measuring may run a project's code.  Set it to nil for projects that you do not trust.")

(add-to-list 'eglot-server-programs
             `(python-mode . ,(lambda (&rest _)
                                (append bitlens-command
                                        `(:initializationOptions
                                          (:trusted ,(if bitlens-trusted t :json-false)))))))

(defun bitlens--run (command)
  "Let the server carry out COMMAND for the current buffer."
  (eglot-execute-command (eglot--current-server-or-lose) command
                         (vector (plist-get (eglot--TextDocumentIdentifier) :uri))))

(defun bitlens-measure ()
  "Measure the models of this file."
  (interactive)
  (bitlens--run "bitlens.measure"))

(defun bitlens-cancel ()
  "End the measurement of this file."
  (interactive)
  (bitlens--run "bitlens.cancel"))

(defun bitlens-model-tree ()
  "Show this file's model as a tree."
  (interactive)
  (let ((tree (bitlens--run "bitlens.modelTree")))
    (with-current-buffer (get-buffer-create "*bitlens*")
      (let ((inhibit-read-only t))
        (erase-buffer)
        (insert (or (plist-get tree :text) (plist-get tree :message) "nothing is known of a model here")))
      (special-mode)
      (display-buffer (current-buffer)))))

(add-hook 'python-mode-hook #'eglot-ensure)

(provide 'bitlens)
;;; bitlens.el ends here
