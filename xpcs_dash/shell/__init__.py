"""What pages plug into: the protocol of a page, their list, the frame around them, who may do what."""
